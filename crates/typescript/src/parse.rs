//! Parsing, and telling a module from CommonJS by its syntax.

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    ArrowFunctionExpression, AwaitExpression, Class, ForOfStatement, Function, IdentifierReference,
    Program, Statement, VariableDeclaration,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::{ParseOptions, Parser, ParserReturn};
use oxc::span::SourceType;
use oxc::syntax::scope::ScopeFlags;

use crate::Format;

/// Parses as what is declared, else as what the syntax shows: the result's source type says which.
pub(crate) fn parse<'a>(
    arena: &'a Allocator,
    text: &'a str,
    kind: SourceType,
    declared: Option<Format>,
) -> ParserReturn<'a> {
    let parse_as = |kind| {
        let options = ParseOptions { allow_return_outside_function: true, ..Default::default() };
        Parser::new(arena, text, kind).with_options(options).parse()
    };
    let as_module = || parse_as(kind.with_module(true));
    let as_commonjs = || parse_as(kind.with_commonjs(true));
    match declared {
        Some(Format::Module) => as_module(),
        Some(Format::CommonJs) => as_commonjs(),
        None => {
            let guess = parse_as(kind);
            if guess.program.source_type.is_module() {
                if is_typescript_commonjs(&guess.program) { as_commonjs() } else { guess }
            } else if is_clean(&guess) && !awaits_at_top_level(&guess.program) {
                guess
            } else {
                Some(as_module()).filter(is_clean).unwrap_or(guess)
            }
        }
    }
}

fn is_clean(parsed: &ParserReturn<'_>) -> bool {
    !parsed.diagnostics.has_errors()
}

/// `export =` is CommonJS, though it looks like module syntax, if nothing else is a module's.
fn is_typescript_commonjs(program: &Program<'_>) -> bool {
    let assigns = |statement: &Statement<'_>| matches!(statement, Statement::TSExportAssignment(_));
    let is_modules =
        |statement: &Statement<'_>| statement.is_module_declaration() && !assigns(statement);
    program.body.iter().any(assigns) && !program.body.iter().any(is_modules)
}

/// Whether a file without `import` and `export` awaits outside any function, so is a module. The
/// parser takes some of these (`await (…)`) for uses of a variable `await`.
fn awaits_at_top_level(program: &Program<'_>) -> bool {
    let mut search = TopLevelAwait { found: false };
    if program.source_text.contains("await") {
        search.visit_program(program);
    }
    search.found
}

struct TopLevelAwait {
    found: bool,
}

impl<'a> Visit<'a> for TopLevelAwait {
    fn visit_await_expression(&mut self, _: &AwaitExpression<'a>) {
        self.found = true;
    }

    fn visit_identifier_reference(&mut self, name: &IdentifierReference<'a>) {
        self.found |= name.name == "await";
    }

    fn visit_for_of_statement(&mut self, of: &ForOfStatement<'a>) {
        self.found |= of.r#await;
        walk::walk_for_of_statement(self, of);
    }

    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        self.found |= declaration.kind.is_await();
        walk::walk_variable_declaration(self, declaration);
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}

    fn visit_class(&mut self, _: &Class<'a>) {}
}

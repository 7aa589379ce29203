//! Import specifiers of a built tree: what names a TypeScript file must name its JavaScript.
//!
//! The loader (`loader.js`) has the same idea of which file a specifier means when running.

use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Argument, CallExpression, ExportAllDeclaration, ExportFromDeclaration, Expression,
    ImportDeclaration, ImportExpression, Program, Statement, StringLiteral,
};
use oxc::ast_visit::{VisitMut, walk_mut};
use oxc::str::Str;

/// TypeScript's extensions and what each becomes, in the order in which they are tried.
pub(crate) const EXTENSIONS: [(&str, &str); 4] =
    [("ts", "js"), ("tsx", "js"), ("mts", "mjs"), ("cts", "cjs")];

/// Rewrites every relative specifier in `program`, the content of `path`, that means a TypeScript
/// file: `./a.ts`, `./a` and `./dir` become `./a.js` and `./dir/index.js`.
pub(crate) fn point_to_javascript<'a>(
    arena: &'a Allocator,
    program: &mut Program<'a>,
    path: &Path,
) {
    let dir = path.parent().unwrap_or(Path::new("")).to_owned();
    Rewriter { arena, dir }.visit_program(program);
}

/// Makes `import x from "./x.json" with { type: "json" }` an import without attributes, which the loader
/// takes, too: before 18.20 and 20.10 Node has no syntax for them.
pub(crate) fn forget_json_attributes(program: &mut Program<'_>) {
    for statement in &mut program.body {
        if let Statement::ImportDeclaration(import) = statement
            && import.source.value.ends_with(".json")
        {
            import.with_clause = None;
        }
    }
}

/// The path with the extension that the build gives it; `None` if it is no TypeScript.
pub(crate) fn built(path: &Path) -> Option<PathBuf> {
    let extension = path.extension()?;
    let (_, js) = EXTENSIONS.iter().find(|(ts, _)| extension == *ts)?;
    Some(path.with_extension(js))
}

struct Rewriter<'a> {
    arena: &'a Allocator,
    dir: PathBuf,
}

impl<'a> Rewriter<'a> {
    fn rewrite(&self, literal: &mut StringLiteral<'a>) {
        if let Some(specifier) = javascript_for(&literal.value, &self.dir) {
            literal.value = Str::from_str_in(&specifier, &self.arena);
            literal.raw = None;
        }
    }
}

impl<'a> VisitMut<'a> for Rewriter<'a> {
    fn visit_import_declaration(&mut self, node: &mut ImportDeclaration<'a>) {
        self.rewrite(&mut node.source);
    }

    fn visit_export_from_declaration(&mut self, node: &mut ExportFromDeclaration<'a>) {
        self.rewrite(&mut node.source);
    }

    fn visit_export_all_declaration(&mut self, node: &mut ExportAllDeclaration<'a>) {
        self.rewrite(&mut node.source);
    }

    fn visit_import_expression(&mut self, node: &mut ImportExpression<'a>) {
        if let Expression::StringLiteral(literal) = &mut node.source {
            self.rewrite(literal);
        }
        walk_mut::walk_import_expression(self, node);
    }

    fn visit_call_expression(&mut self, node: &mut CallExpression<'a>) {
        if node.callee.is_specific_id("require")
            && let [Argument::StringLiteral(literal)] = node.arguments.as_mut_slice()
        {
            self.rewrite(literal);
        }
        walk_mut::walk_call_expression(self, node);
    }
}

/// The specifier to write instead, or `None` if this one may stay.
fn javascript_for(specifier: &str, dir: &Path) -> Option<String> {
    let relative = specifier.starts_with("./") || specifier.starts_with("../");
    if !relative && specifier != "." && specifier != ".." {
        return None;
    }
    let target = dir.join(specifier);
    if target.is_file() {
        let (stem, _) = specifier.rsplit_once('.')?;
        let built = built(&target)?;
        return Some(format!("{stem}.{}", built.extension()?.to_str()?));
    }
    let exists = |suffix: &str| with_suffix(&target, suffix).is_file();
    let trimmed = specifier.trim_end_matches('/');
    EXTENSIONS.iter().find_map(|(ts, js)| {
        let file = exists(&format!(".{ts}")) && !specifier.ends_with(['/', '.']);
        let index = || target.join(format!("index.{ts}")).is_file();
        file.then(|| format!("{specifier}.{js}"))
            .or_else(|| index().then(|| format!("{trimmed}/index.{js}")))
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

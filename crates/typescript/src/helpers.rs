//! What the output calls and Node does not have, put before a file's first statement so that it
//! depends on no package.

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::ast_visit::VisitMut;
use oxc::parser::Parser;
use oxc::span::{SPAN, SourceType, Span};

/// The functions that lowered code calls, `babelHelpers.…`.
const LOWERED: &str = include_str!("helpers.js");

/// CommonJS's variables for a module: the names that must all be wanted, and what defines them.
const COMMONJS: [(&[&str], &str); 5] = [
    (
        &["require"],
        r#"import { createRequire as _createRequire } from "node:module";
           const require = _createRequire(import.meta.url);"#,
    ),
    // Frozen: an assignment to `module.exports` has to fail, not to be lost.
    (&["module"], "const module = Object.freeze({ id: import.meta.url });"),
    (
        &["require", "module"],
        r#"import { fileURLToPath as _mainPath } from "node:url";
           if (process.argv[1] === _mainPath(import.meta.url)) require.main = module;"#,
    ),
    (
        &["__filename"],
        r#"import { fileURLToPath as _filename } from "node:url";
           const __filename = _filename(import.meta.url);"#,
    ),
    (
        &["__dirname"],
        r#"import { fileURLToPath as _dirPath } from "node:url";
           import { dirname as _dirname } from "node:path";
           const __dirname = _dirname(_dirPath(import.meta.url));"#,
    ),
];

/// What Node has of `import.meta` from 20.11 on: the text that wants it, and what defines it.
const META: [(&str, &str); 2] = [
    (
        "import.meta.filename",
        r#"import { fileURLToPath as _metaFile } from "node:url";
           import.meta.filename ??= _metaFile(import.meta.url);"#,
    ),
    (
        "import.meta.dirname",
        r#"import { fileURLToPath as _metaPath } from "node:url";
           import { dirname as _metaDir } from "node:path";
           import.meta.dirname ??= _metaDir(_metaPath(import.meta.url));"#,
    ),
];

/// Defines `babelHelpers`.
pub(crate) fn insert_for_lowered<'a>(arena: &'a Allocator, program: &mut Program<'a>) {
    insert(arena, program, LOWERED);
}

/// Defines those of CommonJS's variables that a module `wants`. Much TypeScript mixes `import` with
/// `__dirname` or `require.main === module`, as compilers to CommonJS let it.
pub(crate) fn insert_commonjs<'a>(
    arena: &'a Allocator,
    program: &mut Program<'a>,
    wants: impl Fn(&str) -> bool,
) {
    for (names, definition) in COMMONJS.iter().rev() {
        if names.iter().all(|name| wants(name)) {
            insert(arena, program, definition);
        }
    }
}

/// Defines what the module's text mentions of `import.meta` and an older Node has not.
pub(crate) fn insert_meta<'a>(arena: &'a Allocator, program: &mut Program<'a>) {
    for (wanted, definition) in META {
        if program.source_text.contains(wanted) {
            insert(arena, program, definition);
        }
    }
}

fn insert<'a>(arena: &'a Allocator, program: &mut Program<'a>, code: &'a str) {
    let mut added = Parser::new(arena, code, SourceType::mjs()).parse().program;
    Nowhere.visit_program(&mut added);
    program.body.splice(0..0, added.body);
}

/// Takes away the place in the source, which is another text's: source maps leave such nodes out.
struct Nowhere;

impl VisitMut<'_> for Nowhere {
    fn visit_span(&mut self, span: &mut Span) {
        *span = SPAN;
    }
}

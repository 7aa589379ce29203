//! One file from TypeScript to JavaScript.
//!
//! Types go; enums, namespaces, parameter properties, JSX and the older ("experimental") decorators
//! become JavaScript. JavaScript passes through untouched: Node reports what is wrong with it.

use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::span::SourceType;
use oxc::transformer::{
    DecoratorOptions, HelperLoaderMode, HelperLoaderOptions, TransformOptions, Transformer,
};

use crate::{Format, Problems, helpers, parse, specifier};

/// The oldest Node whose syntax the output may use.
const TARGET: &str = "node18";

/// What becomes of the output, hence what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceMap {
    /// Run as if it were the source: with an inline source map, import specifiers as written.
    Inline,
    /// Written beside other JavaScript: without a map, import specifiers naming the `.js` files.
    None,
}

/// A file as JavaScript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transpiled {
    /// The code.
    pub code: String,
    /// The module system it is written for.
    pub format: Format,
}

/// Why a file did not become JavaScript.
#[derive(Debug, thiserror::Error)]
pub enum TranspileError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Its extension is none of TypeScript's or JavaScript's.
    #[error(
        "{} is neither TypeScript nor JavaScript; name it .ts, .tsx, .mts, .cts, .js, .mjs or .cjs",
        .0.display()
    )]
    Extension(PathBuf),
    /// It is not valid TypeScript.
    #[error("{0}")]
    Syntax(Problems),
    /// The compiler refuses `TARGET`.
    #[error("the TypeScript compiler does not know its target: {0}")]
    Target(String),
}

/// Transpiles the text of `file` as if it were at `path`.
///
/// # Errors
/// If the file cannot be read or is no valid TypeScript.
pub fn transpile_file(file: &Path, path: &Path) -> Result<Transpiled, TranspileError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| TranspileError::Read { path: file.to_owned(), source })?;
    transpile(&text, path, SourceMap::Inline)
}

/// Transpiles `text`, the content of `path`.
///
/// # Errors
/// If the path has a foreign extension or the text is no valid TypeScript.
pub fn transpile(
    text: &str,
    path: &Path,
    source_map: SourceMap,
) -> Result<Transpiled, TranspileError> {
    let kind = SourceType::from_path(path)
        .map_err(|_unknown| TranspileError::Extension(path.to_owned()))?;
    let arena = Allocator::default();
    let declared = Format::declared(path);
    let parsed = parse::parse(&arena, text, kind, declared);
    let format =
        if parsed.program.source_type.is_module() { Format::Module } else { Format::CommonJs };
    if kind.is_javascript() {
        return Ok(Transpiled { code: text.to_owned(), format });
    }
    check(&parsed.diagnostics, path, text)?;
    let mut program = parsed.program;
    let scoping = lower(&arena, &mut program, path)?;
    if format == Format::Module {
        helpers::insert_meta(&arena, &mut program);
    }
    if format == Format::Module && declared.is_none() {
        let unresolved = scoping.root_unresolved_references();
        helpers::insert_commonjs(&arena, &mut program, |name| unresolved.contains_key(name));
    }
    match source_map {
        SourceMap::None => specifier::point_to_javascript(&arena, &mut program, path),
        SourceMap::Inline => specifier::forget_json_attributes(&mut program),
    }
    Ok(Transpiled { code: print(&program, path, source_map), format })
}

/// Turns TypeScript's own syntax, and JavaScript newer than [`TARGET`], into plain JavaScript.
fn lower<'a>(
    arena: &'a Allocator,
    program: &mut Program<'a>,
    path: &Path,
) -> Result<Scoping, TranspileError> {
    let text = program.source_text;
    let scoping = analyse(program, path)?;
    let options = TransformOptions {
        decorator: DecoratorOptions { legacy: true, ..Default::default() },
        helper_loader: HelperLoaderOptions {
            mode: HelperLoaderMode::External,
            ..Default::default()
        },
        ..TransformOptions::from_target(TARGET).map_err(TranspileError::Target)?
    };
    let done = Transformer::new(arena, path, &options).build_with_scoping(scoping, program);
    check(&done.diagnostics, path, text)?;
    #[expect(deprecated, reason = "the only way to learn which helpers the output calls")]
    let needs_helpers = !done.helpers_used.is_empty();
    if needs_helpers {
        helpers::insert_for_lowered(arena, program);
    }
    Ok(done.scoping)
}

fn analyse(program: &Program<'_>, path: &Path) -> Result<Scoping, TranspileError> {
    let analysed =
        SemanticBuilder::new().with_check_syntax_error(true).with_enum_eval(true).build(program);
    check(&analysed.diagnostics, path, program.source_text)?;
    Ok(analysed.semantic.into_scoping())
}

fn check(
    found: &oxc::diagnostics::Diagnostics,
    path: &Path,
    text: &str,
) -> Result<(), TranspileError> {
    Problems::among(found.errors(), path, text)
        .map_or(Ok(()), |all| Err(TranspileError::Syntax(all)))
}

fn print(program: &Program<'_>, path: &Path, source_map: SourceMap) -> String {
    let wanted = source_map == SourceMap::Inline;
    let options = CodegenOptions {
        source_map_path: wanted.then(|| path.to_owned()),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(program);
    match printed.map {
        Some(map) => format!("{}//# sourceMappingURL={}\n", printed.code, map.to_data_url()),
        None => printed.code,
    }
}

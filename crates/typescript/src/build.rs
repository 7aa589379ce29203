//! A tree of TypeScript files to a tree of JavaScript that plain Node runs.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{
    Format, Problem, Problems, SourceMap, TranspileError, Transpiled, specifier, transpile,
};

/// Why a tree was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A directory or file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A directory or file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Two sources have the same output.
    #[error("{} would be written twice; rename one of its sources", .0.display())]
    Clash(PathBuf),
    /// Files with syntax errors.
    #[error("{0}")]
    Syntax(Problems),
    /// A file that cannot be transpiled for another reason.
    #[error(transparent)]
    Transpile(TranspileError),
}

/// Transpiles every TypeScript file under `source` to the same place under `out`, and returns the
/// modules written there that no `package.json` declares as such: Node before 20.19 and 22.7 would take
/// them for CommonJS. Declaration files, `node_modules`, hidden directories and `out` itself are passed
/// over; symbolic links are not followed.
///
/// # Errors
/// If a file cannot be read, transpiled or written. Nothing is written unless every file transpiles.
pub fn build(source: &Path, out: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut files = Vec::new();
    collect(source, out, &mut files)?;
    let mut outputs = Vec::new();
    let mut problems = Vec::new();
    for file in &files {
        match transpile_one(file) {
            Ok(done) => outputs.push((destination(file, source, out), done)),
            Err(BuildError::Syntax(Problems(more))) => problems.extend::<Vec<Problem>>(more),
            Err(other) => return Err(other),
        }
    }
    if !problems.is_empty() {
        return Err(BuildError::Syntax(Problems(problems)));
    }
    write_all(outputs)
}

fn collect(dir: &Path, out: &Path, files: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    let unreadable = |source| BuildError::Read { path: dir.to_owned(), source };
    let mut entries =
        fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && !is_passed_over(&entry.file_name()) && !same(&path, out) {
            collect(&path, out, files)?;
        } else if kind.is_file() && is_source(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_passed_over(name: &OsStr) -> bool {
    name == "node_modules" || name.as_encoded_bytes().starts_with(b".")
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn is_source(path: &Path) -> bool {
    let is_declaration =
        path.file_stem().is_some_and(|stem| Path::new(stem).extension() == Some(OsStr::new("d")));
    specifier::built(path).is_some() && !is_declaration
}

fn transpile_one(file: &Path) -> Result<Transpiled, BuildError> {
    let text = fs::read_to_string(file)
        .map_err(|source| BuildError::Read { path: file.to_owned(), source })?;
    match transpile(&text, file, SourceMap::None) {
        Ok(done) => Ok(done),
        Err(TranspileError::Syntax(problems)) => Err(BuildError::Syntax(problems)),
        Err(other) => Err(BuildError::Transpile(other)),
    }
}

fn destination(file: &Path, source: &Path, out: &Path) -> PathBuf {
    let place = file.strip_prefix(source).unwrap_or(file);
    out.join(specifier::built(place).unwrap_or_else(|| place.to_owned()))
}

fn write_all(outputs: Vec<(PathBuf, Transpiled)>) -> Result<Vec<PathBuf>, BuildError> {
    let mut places = HashSet::new();
    if let Some((twice, _)) = outputs.iter().find(|(path, _)| !places.insert(path)) {
        return Err(BuildError::Clash(twice.clone()));
    }
    for (path, done) in &outputs {
        let failed = |source| BuildError::Write { path: path.clone(), source };
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        fs::write(path, &done.code).map_err(failed)?;
    }
    Ok(outputs.into_iter().filter(is_undeclared_module).map(|(path, _)| path).collect())
}

fn is_undeclared_module((path, done): &(PathBuf, Transpiled)) -> bool {
    done.format == Format::Module && Format::declared(path).is_none()
}

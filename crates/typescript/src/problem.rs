//! Syntax errors as people and editors read them: `file:line:col: message`.

use std::fmt;
use std::path::{Path, PathBuf};

use oxc::diagnostics::OxcDiagnostic;

/// One syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it is in.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, message } = self;
        write!(f, "{}:{line}:{column}: {message}", path.display())
    }
}

/// The syntax errors of one file; never empty. Shown one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Problems {
    /// The errors among `found`, or `None` if there are only warnings.
    pub(crate) fn among<'d>(
        found: impl Iterator<Item = &'d OxcDiagnostic>,
        path: &Path,
        text: &str,
    ) -> Option<Self> {
        let problems: Vec<Problem> = found.map(|one| problem(one, path, text)).collect();
        (!problems.is_empty()).then_some(Self(problems))
    }
}

fn problem(found: &OxcDiagnostic, path: &Path, text: &str) -> Problem {
    let offset = found.labels.first().map_or(0, |label| label.offset());
    let (line, column) = position(text, offset as usize);
    let help = found.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    Problem { path: path.to_owned(), line, column, message: format!("{}{help}", found.message) }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

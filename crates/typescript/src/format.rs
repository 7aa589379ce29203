//! Which module system a file is written for.

use std::path::Path;

/// A module system, by Node's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `import` and `export`.
    Module,
    /// `require` and `module.exports`.
    CommonJs,
}

impl Format {
    /// The word Node's loader hooks use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::CommonJs => "commonjs",
        }
    }

    /// What the file's name and place decide, by Node's rules: its extension, then `"type":
    /// "module"` in the nearest `package.json`. `None` leaves it to the file's syntax, also under
    /// `"type": "commonjs"`, where Node would only refuse an `import`.
    pub(crate) fn declared(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "mts" | "mjs" => Some(Self::Module),
            "cts" | "cjs" => Some(Self::CommonJs),
            _ => package_is_module(path).then_some(Self::Module),
        }
    }
}

fn package_is_module(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let nearest =
        path.ancestors().skip(1).find_map(|dir| std::fs::read(dir.join("package.json")).ok());
    let package = nearest.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    package.is_some_and(|package| package["type"] == "module")
}

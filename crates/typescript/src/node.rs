//! The Node in PATH: which it is, and how it is given the loader (`loader.js`).

use std::io;
use std::process::{Child, Command, Stdio};

const LOADER: &str = include_str!("loader.js");

/// Gives the loader its `require`.
const IMPORT: &str = "import { createRequire } from 'node:module';
const require = createRequire('/');
";
/// As [`IMPORT`]; and shows warnings, after `--no-warnings` hid the one that `--loader` is experimental.
const PRELOAD: &str = "const require = getBuiltin('module').createRequire('/');
if (process.env.NODE_NO_WARNINGS !== '1') {
  process.on('warning', require('internal/process/warning').onWarning);
}
";

/// Why the Node in PATH will not do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// There is none that starts.
    #[error("cannot start `node` ({0}); install Node 18 or newer and put it in PATH")]
    Missing(io::Error),
    /// It is of before 2022.
    #[error("the `node` in PATH is {0:?}, too old to run TypeScript; install Node 18 or newer")]
    TooOld(String),
}

/// How a Node lets a loader in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// By `module.registerHooks`.
    Hooks,
    /// By its internals, from an `--import`.
    Internals,
    /// By its internals, from a `--loader`.
    InternalsEarly,
}

/// A `node --version` that runs while other work is done.
pub(crate) struct Asked(Child);

/// Asks the Node in PATH for its version.
pub(crate) fn ask() -> Result<Asked, NodeError> {
    let mut command = Command::new("node");
    let child = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.map(Asked).map_err(NodeError::Missing)
}

impl Asked {
    /// Waits for the answer.
    pub(crate) fn access(self) -> Result<Access, NodeError> {
        let output = self.0.wait_with_output().map_err(NodeError::Missing)?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        access(&version).ok_or(NodeError::TooOld(version))
    }
}

/// `--import` came with 18.18 (and 19.0), `module.registerHooks` with 22.15 and 23.5.
fn access(version: &str) -> Option<Access> {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|n| n.parse().ok());
    let parts: (u32, u32) = (numbers.next()?, numbers.next()?);
    match parts {
        (..18, _) => None,
        (18, ..18) => Some(Access::InternalsEarly),
        (18..22, _) | (22, ..15) | (23, ..5) => Some(Access::Internals),
        (22.., _) => Some(Access::Hooks),
    }
}

impl Access {
    /// Node's arguments that load the loader with this `config`, the text of a JavaScript value.
    pub(crate) fn arguments(self, config: &str) -> Vec<String> {
        // The name keeps the whole URL out of stack traces.
        let body = format!("const config = {config};\n{LOADER}//# sourceURL=ts:loader\n");
        let (flags, module): (&[_], _) = match self {
            Self::Hooks => (&["--import"], format!("{IMPORT}{body}")),
            Self::Internals => (&["--expose-internals", "--import"], format!("{IMPORT}{body}")),
            Self::InternalsEarly => {
                // There a module at a data: URL cannot import; what `globalPreload` returns need not.
                let preload = serde_json::Value::from(format!("{PRELOAD}{body}"));
                let module = format!("export const globalPreload = () => {preload};\n");
                (&["--expose-internals", "--no-warnings", "--loader"], module)
            }
        };
        flags.iter().map(|&flag| flag.to_owned()).chain([data_url(&module)]).collect()
    }
}

/// Encoded enough for Node to read the text back.
fn data_url(text: &str) -> String {
    let start = String::from("data:text/javascript,");
    text.bytes().fold(start, |mut url, byte| {
        if byte.is_ascii_graphic() && !b"%#?\"<>`".contains(&byte) {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_from_18_is_let_in() {
        let cases = [
            ("v16.20.2", None),
            ("v18.0.0", Some(Access::InternalsEarly)),
            ("v18.17.1", Some(Access::InternalsEarly)),
            ("v18.18.0", Some(Access::Internals)),
            ("v19.0.0", Some(Access::Internals)),
            ("v20.20.2", Some(Access::Internals)),
            ("v22.14.0", Some(Access::Internals)),
            ("v22.15.0", Some(Access::Hooks)),
            ("v23.4.0", Some(Access::Internals)),
            ("v23.5.0", Some(Access::Hooks)),
            ("v24.0.0-nightly", Some(Access::Hooks)),
            ("v100.0.0", Some(Access::Hooks)),
            ("", None),
            ("nonsense", None),
        ];
        for (version, expected) in cases {
            assert_eq!(access(version), expected, "{version}");
        }
    }
}

//! What commands see of the environment, and what of it is handed from block to block.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use protocol::AgentSpec;

use crate::{desktop, egress};

/// Variables by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// The most bytes of environment that are handed on; it is part of every checkpoint.
const MAX_BYTES: usize = 256 * 1024;

/// What agentd passes on of its own environment. Nothing else: it might be secret.
const OWN: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Of what a container has, that which its image does not set.
const NOT_THE_IMAGES: [&str; 2] = [protocol::IMAGE_VARIABLE, "HOSTNAME"];

/// No colours, pagers or progress bars: nobody watches a terminal.
const QUIET: [(&str, &str); 3] = [("TERM", "dumb"), ("PAGER", "cat"), ("PIP_PROGRESS_BAR", "off")];

/// pip may install beside Debian's own packages: into the home directory, which goes with the job.
/// Python takes a compiled file for current whose source was changed within the same second and has
/// the same length, which an agent's corrections often do and have: so it writes none.
const FIXED: [(&str, &str); 3] =
    [("USER", "agent"), ("PIP_BREAK_SYSTEM_PACKAGES", "1"), ("PYTHONDONTWRITEBYTECODE", "1")];

/// Every shell sets these for itself.
const SHELLS_OWN: [&str; 4] = ["_", "OLDPWD", "PWD", "SHLVL"];

/// What the first block sees. What the job wants itself goes before everything else.
pub(super) fn initial(spec: &AgentSpec) -> Environment {
    let proxy = egress::variables().into_iter().map(|(name, value)| (name.to_owned(), value));
    let wanted = spec.environment.clone();
    let path = wanted.get("PATH").cloned().or_else(|| env::var("PATH").ok()).unwrap_or_default();
    // Also before it runs: it is started when somebody wants to see it.
    let display =
        is_installed(desktop::SERVER, &path).then(|| ("DISPLAY".into(), desktop::DISPLAY.into()));
    FIXED
        .iter()
        .chain(&QUIET)
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .chain(own())
        .chain(proxy)
        .chain(display)
        .chain(wanted)
        .collect()
}

/// The same for somebody who watches, at a terminal of this kind. What the job wants itself stays.
pub(super) fn watched(mut environment: Environment, kind: &str) -> Environment {
    for (name, value) in QUIET {
        if environment.get(name).is_some_and(|has| has == value) {
            environment.remove(name);
        }
    }
    environment.insert("TERM".into(), kind.into());
    environment
}

/// What agentd passes on of what it was given. All of it where that comes from an image.
fn own() -> Environment {
    let is_image = env::var_os(protocol::IMAGE_VARIABLE).is_some();
    let passed = |name: &str| is_image && !NOT_THE_IMAGES.contains(&name) || OWN.contains(&name);
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let given = env::vars_os().filter_map(text).filter(|(name, _)| passed(name));
    let mut own: Environment = given.collect();
    if let Some(path) = own.get_mut("PATH").filter(|_| is_image) {
        *path = with_tools(path);
    }
    own
}

/// A PATH that begins with our programs, which agent images have at its end.
fn with_tools(path: &str) -> String {
    let ours = format!("{}/bin", protocol::TOOLS);
    let others = path.split(':').filter(|dir| *dir != ours);
    std::iter::once(&*ours).chain(others).collect::<Vec<_>>().join(":")
}

/// Whether a program is in a PATH.
pub(crate) fn is_installed(program: &str, path: &str) -> bool {
    env::split_paths(path).any(|dir| dir.is_absolute() && dir.join(program).is_file())
}

/// What a shell left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Where it was at its end; absolute.
    pub(super) cwd: Option<String>,
    pub(super) environment: Environment,
    /// Names of variables that are too large or not text.
    pub(super) dropped: Vec<String>,
}

/// Reads the output of `env -0`, which the command could forge. `None` if the shell wrote none.
pub(super) fn parse(bytes: &[u8]) -> Option<Left> {
    let mut left = Left::default();
    let mut variables = Vec::new();
    for entry in bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0) {
        match str::from_utf8(entry).ok().and_then(|entry| entry.split_once('=')) {
            Some(("PWD", cwd)) if cwd.starts_with('/') => left.cwd = Some(cwd.into()),
            Some((name, _)) if name.is_empty() || SHELLS_OWN.contains(&name) => {}
            Some(variable) => variables.push(variable),
            None => left.dropped.push(printable_name(entry)),
        }
    }
    // The small ones first: if not everything fits, a PATH is worth more than a blob.
    variables.sort_by_key(|(name, value)| (name.len() + value.len(), *name));
    let mut room = MAX_BYTES;
    for (name, value) in variables {
        match room.checked_sub(name.len() + value.len()) {
            Some(rest) => {
                room = rest;
                left.environment.insert(name.into(), value.into());
            }
            None => left.dropped.push(printable_name(name.as_bytes())),
        }
    }
    Some(left)
}

fn printable_name(entry: &[u8]) -> String {
    let name = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
    String::from_utf8_lossy(name).chars().take(64).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_programs_are_first_in_a_path_and_once() {
        let of_image = format!("/opt/venv/bin:/bin:{}/bin", protocol::TOOLS);
        let expected = format!("{}/bin:/opt/venv/bin:/bin", protocol::TOOLS);
        assert_eq!(with_tools(&of_image), expected);
        assert_eq!(with_tools("/opt/venv/bin:/bin"), expected);
    }

    #[test]
    fn keeps_variables_and_the_directory() {
        let left = parse(b"A=1\0PWD=/workspace/x\0B=two\nlines=yes\0SHLVL=1\0_=/usr/bin/env\0");
        let left = left.unwrap();
        assert_eq!(left.cwd.as_deref(), Some("/workspace/x"));
        let expected = [("A", "1"), ("B", "two\nlines=yes")];
        assert_eq!(left.environment, expected.map(|(n, v)| (n.into(), v.into())).into());
        assert!(left.dropped.is_empty());
    }

    #[test]
    fn nothing_written_changes_nothing() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"A=cut off"), None);
    }

    #[test]
    fn what_is_too_large_or_not_text_is_named() {
        let mut bytes = format!("BIG={}\0", "x".repeat(MAX_BYTES)).into_bytes();
        bytes.extend_from_slice(b"RAW=\xff\0PATH=/bin\0");
        let left = parse(&bytes).unwrap();
        assert_eq!(left.dropped, ["RAW", "BIG"]);
        assert_eq!(left.environment.keys().collect::<Vec<_>>(), ["PATH"]);
    }

    proptest! {
        #[test]
        fn survives_anything_and_stays_bounded(
            bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(b'='), any::<u8>()], 0..400),
            copies in 1usize..3000,
        ) {
            if let Some(left) = parse(&bytes.repeat(copies)) {
                let kept: usize = left.environment.iter().map(|(n, v)| n.len() + v.len()).sum();
                prop_assert!(kept <= MAX_BYTES);
            }
        }

        #[test]
        fn reads_what_env_writes(
            expected in prop::collection::btree_map("[a-zA-Z][a-z0-9]{3,6}", "[^\\x00]*", 1..20)
        ) {
            let bytes: Vec<u8> = expected
                .iter()
                .flat_map(|(name, value)| format!("{name}={value}\0").into_bytes())
                .collect();
            prop_assert_eq!(parse(&bytes).unwrap().environment, expected);
        }
    }
}

//! What of a workspace is delivered, as far as names and sizes tell: the rule by which the
//! orchestrator packs, and by which agentd knows what will not arrive (`docs/artifacts.md`).
//!
//! Names are bytes, as the kernel has them. Not here: looking at files.

/// The reserved name at the root of the workspace, and of the ZIP.
pub const RESERVED: &str = ".cagent";

/// The largest file that is packed, by its apparent size in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// How many directories deep a file may lie, the workspace itself included.
pub const MAX_DEPTH: u32 = 100;

/// A file that makes the directory it lies in a cache, whatever is in the file: a Python environment.
pub const ENVIRONMENT_MARK: &str = "pyvenv.cfg";

/// A file that makes the directory it lies in a cache if it begins with [`CACHE_SIGNATURE`]
/// (<https://bford.info/cachedir/>): Cargo's `target`.
pub const CACHE_TAG: &str = "CACHEDIR.TAG";

/// How a valid [`CACHE_TAG`] begins.
pub const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Names under which package managers, test runners and type checkers keep what they can make
/// again.
const CACHES: [&[u8]; 8] = [
    b"node_modules",
    b".venv",
    b"__pycache__",
    b".mypy_cache",
    b".pytest_cache",
    b".npm",
    b".cache",
    b".tox",
];

/// How the name of a file begins that is still being uploaded.
const UNFINISHED: &[u8] = b".cagent-upload-";

/// Whether a directory of this name is a cache.
#[must_use]
pub fn is_cache(name: &[u8]) -> bool {
    CACHES.contains(&name)
}

/// The name of a file that is being uploaded: how all of them begin, and what tells it from others.
#[must_use]
pub fn unfinished(id: &str) -> Vec<u8> {
    [UNFINISHED, id.as_bytes()].concat()
}

/// Whether a file of this name is still being uploaded, or was when its writer died.
#[must_use]
pub fn is_unfinished(name: &[u8]) -> bool {
    name.starts_with(UNFINISHED)
}

/// Whether a name at the workspace's root is ours, or becomes it where a ZIP is unpacked: some file
/// systems ignore case and what cannot be seen, others dots and spaces at the end.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    let seen: String =
        String::from_utf8_lossy(name).chars().filter(|c| !is_ignorable(*c)).collect();
    seen.trim_end_matches(['.', ' ']).eq_ignore_ascii_case(RESERVED)
}

/// What HFS+ ignores in names, and other characters without a shape (Unicode's
/// `Default_Ignorable_Code_Point`, without its unassigned ones).
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_and_what_can_be_made_again() {
        for name in [".cagent", ".CAGENT", ".cagent. ", ".c\u{200c}agent"] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        assert!(!is_reserved(b".cagents") && !is_reserved(b"cagent"));
        assert!(is_unfinished(&unfinished("7")) && !is_unfinished(b".cagent-"));
        assert!(is_cache(b"node_modules") && !is_cache(b"modules"));
    }
}

//! Which directories are caches: made again from what else is in the workspace.

use std::io::Read;

use crate::tree::Tree;

/// Names under which package managers, test runners and type checkers keep what they can make
/// again.
const NAMES: [&[u8]; 8] = [
    b"node_modules",
    b".venv",
    b"__pycache__",
    b".mypy_cache",
    b".pytest_cache",
    b".npm",
    b".cache",
    b".tox",
];

/// The first bytes of a valid `CACHEDIR.TAG` (<https://bford.info/cachedir/>).
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether a directory of this name is a cache.
pub(crate) fn is_named_as_one(name: &[u8]) -> bool {
    NAMES.contains(&name)
}

/// Whether what a directory holds says that it is a cache: `CACHEDIR.TAG` (Cargo's `target`), or
/// the `pyvenv.cfg` of a Python environment, whatever its name.
pub(crate) fn is_marked_as_one(tree: &Tree<'_>, directory: &[u8], names: &[Vec<u8>]) -> bool {
    let holds = |name: &[u8]| names.binary_search_by(|other| other.as_slice().cmp(name)).is_ok();
    holds(b"pyvenv.cfg") || holds(b"CACHEDIR.TAG") && has_signature(tree, directory)
}

fn has_signature(tree: &Tree<'_>, directory: &[u8]) -> bool {
    let path = [directory, b"/CACHEDIR.TAG"].concat();
    let mut start = [0; SIGNATURE.len()];
    tree.file(&path).is_ok_and(|opened| {
        opened
            .is_some_and(|(mut file, _)| file.read_exact(&mut start).is_ok() && start == SIGNATURE)
    })
}

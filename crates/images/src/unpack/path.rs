use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::ImageError;
use crate::bounds::{DEPTH, NAME_BYTES, PATH_BYTES};
use crate::error::bad;
use crate::members::shown;

/// A name in an archive, as a path beneath the root: relative, of plain parts only. The root itself
/// is the empty path. An absolute name counts from the root, as everything does inside.
pub(super) fn parse(name: &[u8]) -> Result<PathBuf, ImageError> {
    let refuse = |why: &str| Err(bad(format!("it has a file {} {why}", shown(name))));
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return refuse("whose name leads up (`..`)"),
            part if part.len() > NAME_BYTES => return refuse("with a name of more than 255 bytes"),
            part if part.contains(&0) => return refuse("with a zero byte in its name"),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    if path.as_os_str().len() > PATH_BYTES || path.components().count() > DEPTH {
        return refuse("that lies too deep");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_counts_from_the_root() {
        for (name, path) in
            [("./a/b/", "a/b"), ("/a//b", "a/b"), ("./", ""), ("", ""), ("...", "...")]
        {
            assert_eq!(parse(name.as_bytes()).unwrap(), PathBuf::from(path), "{name}");
        }
        for name in ["..", "a/../b", "/..", &"a/".repeat(129), &"x".repeat(256), "a\0"] {
            assert!(parse(name.as_bytes()).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_up_or_out(name in prop::collection::vec(
            prop_oneof![Just(b'/'), Just(b'.'), Just(b'a'), any::<u8>()], 0..40,
        )) {
            if let Ok(path) = parse(&name) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}

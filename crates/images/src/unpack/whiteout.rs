//! Whiteouts: empty files in a layer that say what of the lower layers is no longer there.

use std::path::PathBuf;

use super::path::parse;
use crate::ImageError;
use crate::error::bad;
use crate::members::shown;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout {
    /// This one is gone.
    Of(PathBuf),
    /// All that lower layers have in this directory is gone.
    AllIn(PathBuf),
    /// A note of the old file system that these names come from.
    Nothing,
}

/// What the name of a member says, if it says that.
pub(super) fn of(name: &[u8]) -> Result<Option<Whiteout>, ImageError> {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let slash = name[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, file) = (&name[..slash], &name[slash..end]);
    let Some(hidden) = file.strip_prefix(b".wh.") else { return Ok(None) };
    Ok(Some(match hidden {
        b".wh..opq" => Whiteout::AllIn(parse(folder)?),
        hidden if hidden.starts_with(b".wh.") => Whiteout::Nothing,
        b"" | b"." | b".." => {
            return Err(bad(format!("{} hides nothing that can be hidden", shown(name))));
        }
        hidden => Whiteout::Of(parse(&[folder, hidden].concat())?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_gone() {
        let is = |name: &str| of(name.as_bytes()).unwrap();
        assert_eq!(is("a/b"), None);
        assert_eq!(is("a/.wh.b"), Some(Whiteout::Of("a/b".into())));
        assert_eq!(is(".wh.b/"), Some(Whiteout::Of("b".into())));
        assert_eq!(is("a/.wh..wh..opq"), Some(Whiteout::AllIn("a".into())));
        assert_eq!(is(".wh..wh..opq"), Some(Whiteout::AllIn("".into())));
        assert_eq!(is(".wh..wh.plnk"), Some(Whiteout::Nothing));
        for bad in ["a/.wh.", "a/.wh..", "a/.wh...", "../.wh.b"] {
            assert!(of(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

//! Certificates of authorities that an image shall trust beside the usual ones, such as a company's
//! own: build steps and jobs behind it could not use TLS otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Where those lie that an administrator of this machine added: Debian and Fedora with their kin.
const ADDED: [&str; 2] = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Those of the files that were named, else those that were added to this machine; one PEM each.
pub(super) fn read(named: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    if named.is_empty() {
        return Ok(added(ADDED.iter().map(Path::new)));
    }
    let mut all = vec![];
    for path in named {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let found = split(&text);
        ensure!(!found.is_empty(), "{} has no certificate in PEM form", path.display());
        all.extend(found);
    }
    Ok(all)
}

/// What cannot be read is not missed: the machine does without it, too.
fn added<'a>(directories: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let entries = directories.filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| split(&text)).collect()
}

fn split(pem: &str) -> Vec<String> {
    let blocks = pem.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
    blocks.map(|(body, _)| format!("{BEGIN}\n{}\n{END}\n", body.trim())).collect()
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn pem(body: &str) -> String {
        format!("{BEGIN}\n{body}\n{END}\n")
    }

    #[test]
    fn a_bundle_is_as_many_certificates_as_it_has() {
        let bundle = format!("# first\r\n{}\n# second\n{}{BEGIN}\ncut off", pem("AAA"), pem("BBB"));
        assert_eq!(split(&bundle), [pem("AAA"), pem("BBB")]);
    }

    #[test]
    fn what_was_named_has_to_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.crt");
        assert!(read(slice::from_ref(&path)).unwrap_err().to_string().contains("a.crt"));
        fs::write(&path, "a key").unwrap();
        assert!(read(slice::from_ref(&path)).unwrap_err().to_string().contains("PEM"));
        fs::write(&path, pem("AAA")).unwrap();
        assert_eq!(read(&[path.clone(), path]).unwrap(), [pem("AAA"), pem("AAA")]);
    }

    #[test]
    fn those_that_were_added_are_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b.crt"), pem("B")).unwrap();
        fs::write(dir.path().join("a.pem"), pem("A")).unwrap();
        fs::write(dir.path().join("c.der"), [0xff, 0xfe]).unwrap();
        let nowhere = dir.path().join("nowhere");
        assert_eq!(added([dir.path(), &nowhere].into_iter()), [pem("A"), pem("B")]);
    }
}

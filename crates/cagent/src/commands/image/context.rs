//! What the daemon is sent to build an image from: the files of `image/`, our programs for the
//! inside, and certificates. The same content gives the same bytes, so that layers are found again.

use std::io;

use tar::{Builder, EntryType, Header};

use crate::tools;

/// Everything in `image/`, and whether it is a program.
const FILES: [(&str, &str, bool); 7] = [
    ("Dockerfile", include_str!("../../../../../image/Dockerfile"), false),
    ("cagent/README", include_str!("../../../../../image/cagent/README"), false),
    ("certs/README", include_str!("../../../../../image/certs/README"), false),
    ("setup/apt-install", include_str!("../../../../../image/setup/apt-install"), true),
    ("setup/core", include_str!("../../../../../image/setup/core"), true),
    ("setup/desktop", include_str!("../../../../../image/setup/desktop"), true),
    ("setup/full", include_str!("../../../../../image/setup/full"), true),
];

/// The directories of these. Named, so that layers are those of `docker build`, which names them too.
const DIRECTORIES: [&str; 3] = ["cagent/", "certs/", "setup/"];

/// All of it, as a tar archive.
pub(super) fn tar(certificates: &[String]) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for path in DIRECTORIES {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, io::empty())?;
    }
    for (path, text, program) in FILES {
        add(&mut tar, path, text.as_bytes(), program)?;
    }
    for (path, content) in tools::inside() {
        add(&mut tar, &format!("cagent/{path}"), content, true)?;
    }
    for (number, certificate) in certificates.iter().enumerate() {
        add(&mut tar, &format!("certs/extra-{number:03}.crt"), certificate.as_bytes(), false)?;
    }
    tar.into_inner()
}

fn add(tar: &mut Builder<Vec<u8>>, path: &str, content: &[u8], program: bool) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(if program { 0o755 } else { 0o644 });
    tar.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// Path and mode of each file.
    fn listed(tar: &[u8]) -> BTreeMap<String, u32> {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap())
            })
            .collect()
    }

    #[test]
    fn it_is_the_directory_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image");
        let mut found = BTreeMap::new();
        for folder in ["", "cagent", "certs", "setup"] {
            for entry in fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                if metadata.is_file() {
                    let path = entry.path();
                    let path = path.strip_prefix(&root).unwrap().display().to_string();
                    found.insert(path, metadata.permissions().mode() & 0o755);
                }
            }
        }
        let ours: BTreeMap<_, _> = FILES
            .iter()
            .map(|(path, _, program)| ((*path).to_owned(), if *program { 0o755 } else { 0o644 }))
            .collect();
        assert_eq!(ours, found);
    }

    #[test]
    fn programs_and_certificates_are_added_and_nothing_changes_by_itself() {
        let bytes = tar(&["one".into(), "two".into()]).unwrap();
        assert!(bytes == tar(&["one".into(), "two".into()]).unwrap());
        let listed = listed(&bytes);
        for (path, mode) in [
            ("cagent/bin/agentd", 0o755),
            ("cagent/bin/ts", 0o755),
            ("certs/extra-001.crt", 0o644),
            ("setup/core", 0o755),
        ] {
            assert_eq!(listed.get(path), Some(&mode), "{path}: {listed:?}");
        }
    }
}

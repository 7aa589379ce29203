//! Whatever a workspace holds: the ZIP has exactly that, and the manifest says so.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::support::{Bench, Opened};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Names as file systems allow them, the more surprising ones more often.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = vec((1_u8..).prop_filter("a separator", |byte| *byte != b'/'), 1..6);
    let names = prop_oneof![
        "[a-c]{1,2}".prop_map(String::into_bytes),
        "[%0Aa\n\\\\:]{1,4}".prop_map(String::into_bytes),
        any_bytes
    ];
    names.prop_filter("not a name", |name| !matches!(&name[..], b"." | b".." | b".cagent"))
}

fn tree() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let path = vec(name(), 1..4).prop_map(|names| names.join(&b'/'));
    btree_map(path, vec(any::<u8>(), 0..300), 0..12)
}

/// Makes the tree; gives what of it a file system can hold (no file is also a directory).
fn make(bench: &Bench, tree: BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut made = BTreeMap::new();
    for (path, bytes) in tree {
        let full = bench.workspace().join(OsStr::from_bytes(&path));
        let folder = fs::create_dir_all(full.parent().unwrap());
        if folder.is_ok() && fs::write(full, &bytes).is_ok() {
            made.insert(path, bytes);
        }
    }
    made
}

/// The files of a ZIP by the paths they had in the workspace.
fn by_path(opened: &Opened) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let escaped = opened.manifest["escaped"].as_array().unwrap();
    let original = |name: &str| {
        let noted = escaped.iter().find(|noted| noted["name"] == name);
        noted.map_or(name.as_bytes().to_vec(), |noted| {
            BASE64_STANDARD.decode(noted["original_base64"].as_str().unwrap()).unwrap()
        })
    };
    let files = opened.entries.iter().filter(|(name, _)| !name.ends_with('/'));
    files.map(|(name, bytes)| (original(name), bytes.clone())).collect()
}

proptest! {
    #[test]
    fn the_zip_holds_exactly_the_files(tree in tree()) {
        let bench = Bench::new();
        let made = make(&bench, tree);

        let opened = bench.pack();

        prop_assert_eq!(by_path(&opened), made);
        for file in opened.manifest["files"].as_array().unwrap() {
            let bytes = &opened.entries[file["path"].as_str().unwrap()];
            let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            prop_assert_eq!(&file["sha256"], &hash);
            prop_assert_eq!(file["bytes"].as_u64(), Some(bytes.len() as u64));
        }
        prop_assert_eq!(opened.packed.files, opened.manifest["files"].as_array().unwrap().len() as u64);
        prop_assert_eq!(opened.packed.left_out, 0);
    }
}

//! What is not what it says.

use std::fs;

use proptest::prelude::*;

use crate::bed::{Bed, Tar, layout, saved};

fn layer() -> Vec<u8> {
    Tar::new().file("a/file", &"content".repeat(500)).bytes()
}

#[test]
fn every_digest_is_checked() {
    for wanted in ["a layer", "its settings", "manifest"] {
        let bed = Bed::new();
        let mut files = layout(&[layer()], <[u8]>::to_vec);
        let mark: &[u8] = match wanted {
            "a layer" => b"contentcontent",
            "its settings" => b"KEY=value",
            _ => b"\"schemaVersion\":2",
        };
        let found = |bytes: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
        for (name, bytes) in &mut files {
            if let Some(at) = found(bytes) {
                bytes[at + mark.len() - 1] ^= 1;
            }
            let path = bed.beside("layout").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let source = bed.beside("layout");
        let refused = bed.images().import(images::Source::Path(&source), None).unwrap_err();
        assert!(refused.to_string().contains("is damaged"), "{wanted}: {refused}");
        assert!(bed.left().is_empty());
    }
    let mut archive = saved(&[], &[layer()]);
    let at = archive.windows(7).position(|window| window == b"content").unwrap();
    archive[at] = b'C';
    Bed::new().refuses(&archive, "a layer is damaged");
}

#[test]
fn what_ends_too_early_is_refused() {
    let bed = Bed::new();
    let whole = Tar::new().file("big", &"x".repeat(5000)).bytes();
    bed.refuses(&whole[..2000], "ends within");
    let whole = saved(&["x"], &[layer()]);
    let manifest = whole.windows(13).position(|window| window == b"manifest.json").unwrap();
    bed.refuses(&whole[..manifest + 600], "");
    bed.refuses(b"no archive at all, but some text", "archive");
}

#[test]
fn a_part_that_is_missing_is_named() {
    let manifest = r#"[{"Config":"x.json","Layers":["l/layer.tar"]}]"#;
    Bed::new().refuses(&Tar::new().file("manifest.json", manifest).bytes(), "x.json");
    Bed::new().refuses(&Tar::new().file("manifest.json", "{}").bytes(), "manifest.json");
    Bed::new().refuses(&Tar::new().file("index.json", "{}").bytes(), "no manifest");
    let bed = Bed::new();
    fs::create_dir(bed.beside("empty")).unwrap();
    let source = bed.beside("empty");
    let refused = bed.images().import(images::Source::Path(&source), None).unwrap_err();
    assert!(refused.to_string().contains("index.json"), "{refused}");
}

proptest! {
    #[test]
    fn any_damage_is_refused_or_harmless(
        at in 0usize..20_000, bytes in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut archive = saved(&["x"], &[layer(), Tar::new().symlink("l", "/").bytes()]);
        let at = at % archive.len();
        let end = (at + bytes.len()).min(archive.len());
        archive[at..end].copy_from_slice(&bytes[..end - at]);
        let bed = Bed::new();
        if bed.import(&archive).is_err() {
            prop_assert!(bed.left().is_empty());
        }
    }
}

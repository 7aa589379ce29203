//! Archives made to reach out.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;

use crate::bed::{Bed, Tar, header, listing};

#[test]
fn a_link_is_never_followed() {
    let bed = Bed::new();
    let outside = bed.beside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "mine").unwrap();
    let before = listing(&outside);
    let target = outside.to_str().unwrap();
    for layer in [
        Tar::new().symlink("way", target).file("way/new", "x"),
        Tar::new().symlink("way", "..").file("way/new", "x"),
        Tar::new().symlink("a", "b").symlink("b", target).dir("a/dir"),
        Tar::new().symlink("way", target).symlink("way/link", "x"),
        Tar::new().symlink("way", target).link("in", "way/file"),
        Tar::new().file("in", "").symlink("way", target).link("way/in", "in"),
    ] {
        bed.refuses(&layer.bytes(), "");
    }
    // These hide or replace the link itself.
    let file = format!("{target}/file");
    for layer in [
        Tar::new().symlink("f", &file).file("f", "replaced"),
        Tar::new().symlink("f", &file).file(".wh.f", "").file("way/.wh..wh..opq", ""),
        Tar::new().symlink("way", target).file("way/.wh.file", "").file("way/.wh..wh..opq", ""),
        Tar::new().symlink("way", target).dir("way").file("way/file", "other"),
        Tar::new().symlink("etc", target),
    ] {
        bed.import(&layer.bytes()).unwrap();
    }
    assert_eq!(listing(&outside), before);
}

#[test]
fn names_that_lead_up_are_refused_and_absolute_ones_count_from_the_root() {
    let bed = Bed::new();
    for name in ["../out", "a/../../out", "/../out", "a/..", "a/.wh...", ".wh.", ".wh.."] {
        bed.refuses(&Tar::new().file(name, "x").bytes(), "");
    }
    bed.refuses(&Tar::new().link("a", "../../x").bytes(), "leads up");
    bed.refuses(&Tar::new().link("a", "nothing").bytes(), "cannot be linked");
    let image = bed.import(&Tar::new().file("/abs/file", "x").bytes()).unwrap().image;
    assert_eq!(fs::read_to_string(image.root.join("abs/file")).unwrap(), "x");
}

#[test]
fn nothing_is_too_large_for_memory_or_the_kernel() {
    let bed = Bed::new();
    let long = "x".repeat(256);
    bed.refuses(&Tar::new().file(&long, "").bytes(), "255 bytes");
    bed.refuses(&Tar::new().file(&"d/".repeat(200), "").bytes(), "too deep");
    let name = vec![b'n'; 5 << 20];
    let endless = Tar::new().with(header(EntryType::GNULongName, 0), "l", "", &name);
    bed.refuses(&endless.file("x", "").bytes(), "longer than any name");
    bed.refuses(&Tar::new().symlink("l", &"x/".repeat(4000)).bytes(), "link");
    bed.refuses(
        &Tar::new().with(header(EntryType::GNUSparse, 0), "s", "", b"").bytes(),
        "--sparse",
    );
}

/// A member with a name out of few parts, so that they meet.
fn member() -> impl Strategy<Value = (u8, String, String)> {
    let part = prop_oneof![
        4 => "[abc]", 1 => Just("..".to_string()), 1 => Just(".".into()), 1 => Just(String::new()),
        1 => Just("OUTSIDE".into()), 1 => Just("victim".into()), 1 => "\\.wh\\.[abc.]{0,2}",
        1 => Just(".wh..wh..opq".into()),
    ];
    let path = || prop::collection::vec(part.clone(), 1..5).prop_map(|parts| parts.join("/"));
    (0..7u8, path(), path())
}

fn add(tar: Tar, kind: u8, name: &str, link: &str) -> Tar {
    match kind {
        0 | 1 => tar.file(name, "hostile"),
        2 => tar.dir(name),
        3 | 4 => tar.symlink(name, link),
        5 => tar.link(name, link),
        _ => tar.with(header(EntryType::Fifo, 0o777), name, "", b""),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_outside_is_ever_touched(members in prop::collection::vec(member(), 1..12)) {
        let bed = Bed::new();
        let outside = bed.beside("outside");
        fs::create_dir_all(outside.join("a/b")).unwrap();
        for name in ["a/victim", "victim", "a/b/c"] {
            fs::write(outside.join(name), name).unwrap();
        }
        let before = listing(&outside);
        let absolute = |text: &str| text.replace("OUTSIDE", outside.to_str().unwrap());
        let layer = members.iter().fold(Tar::new(), |tar, (kind, name, link)| {
            add(tar, *kind, &absolute(name), &absolute(link))
        });
        let imported = bed.import(&layer.bytes());
        prop_assert_eq!(listing(&outside), before);
        let beside = fs::read_dir(bed.beside("")).unwrap().count();
        prop_assert_eq!(beside, 2, "only the images and what is outside");
        match imported {
            Ok(imported) => prop_assert!(only_known_kinds(&imported.image.root)),
            Err(_) => prop_assert!(bed.left().is_empty()),
        }
    }
}

fn only_known_kinds(root: &Path) -> bool {
    listing(root).iter().all(|(_, mode, ..)| matches!(mode >> 12, 0o4 | 0o10 | 0o12))
}

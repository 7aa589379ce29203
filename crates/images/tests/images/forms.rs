//! Every form an image comes in.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use images::{ImageError, Source};

use crate::bed::{Bed, Tar, digest, layout, saved, settings};

fn layers() -> Vec<Vec<u8>> {
    let base = Tar::new().dir("etc").file("etc/os-release", "ours").file("gone", "x");
    let upper = Tar::new().file(".wh.gone", "").file("opt/tool", "tool");
    vec![base.bytes(), upper.bytes()]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    // In frames, as parallel compressors do it, with one that is to be skipped.
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let skipped = [&0x184d_2a50u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
    let frame = |half| ruzstd::encoding::compress_to_vec(half, level);
    [frame(first), skipped, frame(second)].concat()
}

fn is_it(root: &Path) {
    assert_eq!(fs::read_to_string(root.join("etc/os-release")).unwrap(), "ours");
    assert_eq!(fs::read_to_string(root.join("opt/tool")).unwrap(), "tool");
    assert!(!root.join("gone").exists());
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let header = || crate::bed::header(tar::EntryType::Regular, 0o644);
    let all =
        files.iter().fold(Tar::new(), |tar, (name, bytes)| tar.with(header(), name, "", bytes));
    all.bytes()
}

#[test]
fn what_docker_saved() {
    let (bed, layers) = (Bed::new(), layers());
    let saved = saved(&["containerized-agent:1"], &layers);
    let expected = format!("sha256:{}", digest(settings(&layers).as_bytes()));
    for archive in [saved.clone(), gzip(&saved), zstd(&saved)] {
        let image = bed.import(&archive).unwrap().image;
        is_it(&image.root);
        assert_eq!((&*image.name, &image.digest), ("containerized-agent:1", &expected));
        let environment = [("PATH", "/opt/bin:/bin"), ("KEY", "value")];
        assert_eq!(image.environment, environment.map(|(n, v)| (n.into(), v.into())));
        assert_eq!(image.labels["cagent.image"], "core");
        assert_eq!(bed.images().get("containerized-agent:1").unwrap(), Some(image));
    }
    assert_eq!(bed.left().len(), 2, "one tree, one name: {:?}", bed.left());
    assert_eq!(bed.images().get("containerized-agent").unwrap(), None);
}

#[test]
fn an_oci_layout_as_a_directory_and_as_an_archive() {
    let plain: fn(&[u8]) -> Vec<u8> = <[u8]>::to_vec;
    for compress in [plain, gzip, zstd] {
        let (bed, files) = (Bed::new(), layout(&layers(), compress));
        let image = bed.import(&archive(&files)).unwrap().image;
        is_it(&image.root);
        assert_eq!(image.name, "docker.io/library/x:1");
        let directory = bed.beside("layout");
        for (name, bytes) in &files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let source = Source::Path(&directory);
        let imported = bed.images().import(source, Some("mine")).unwrap();
        is_it(&imported.image.root);
        assert_eq!((&*imported.image.name, imported.image.digest), ("mine:latest", image.digest));
    }
}

#[test]
fn a_root_file_system_with_or_without_compression() {
    let bed = Bed::new();
    let tar =
        Tar::new().dir("./").file("./etc/os-release", "ours").file("./opt/tool", "tool").bytes();
    let expected = format!("sha256:{}", digest(&tar));
    for (name, bytes) in [("a.tar", tar.clone()), ("a.tar.gz", gzip(&tar)), ("a.tzst", zstd(&tar))]
    {
        let path = bed.beside(name);
        fs::write(&path, bytes).unwrap();
        let image = bed.images().import(Source::Path(&path), None).unwrap().image;
        is_it(&image.root);
        assert_eq!((&*image.name, &image.digest), ("containerized-agent:latest", &expected));
        assert!(image.environment.is_empty());
    }
    assert_eq!(bed.images().list().unwrap().len(), 1);
}

#[test]
fn of_several_images_one_has_to_be_named() {
    let settings = settings(&[]);
    let config = format!("{}.json", digest(settings.as_bytes()));
    let one = |name: &str| serde_json::json!({"Config": config, "RepoTags": [name], "Layers": []});
    let manifest = serde_json::json!([one("a:1"), one("b:1")]).to_string();
    let archive = Tar::new().file(&config, &settings).file("manifest.json", &manifest).bytes();
    let bed = Bed::new();
    bed.refuses(&archive, "a:1, b:1");
    let import = |name| bed.images().import(Source::Stream(&mut &*archive), Some(name));
    assert_eq!(import("b:1").unwrap().image.name, "b:1");
    assert!(matches!(import("c:1"), Err(ImageError::Several(_))));
}

#[test]
fn a_layer_may_be_a_link_to_one_that_is_the_same() {
    let layer = Tar::new().file("etc/os-release", "ours").file("opt/tool", "tool").bytes();
    let settings = settings(&[layer.clone(), layer.clone()]);
    let config = format!("{}.json", digest(settings.as_bytes()));
    let manifest = serde_json::json!([
        {"Config": config, "RepoTags": null, "Layers": ["a/layer.tar", "b/layer.tar"]}
    ]);
    let header = crate::bed::header(tar::EntryType::Regular, 0o644);
    let archive = Tar::new()
        .with(header, "b/layer.tar", "", &layer)
        .symlink("a/layer.tar", "../b/layer.tar")
        .file(&config, &settings)
        .file("manifest.json", &manifest.to_string());
    is_it(&Bed::new().import(&archive.bytes()).unwrap().image.root);
}

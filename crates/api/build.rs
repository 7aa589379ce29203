//! Embeds the dashboard if `make dashboard` has built it; without, the server says how to get it.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../dashboard/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    // While what it watches is not there, Cargo would build all of this anew each time.
    let assets = dist.join("assets");
    fs::create_dir_all(&assets)?;
    let page = dist.join("index.html");
    let page = if page.exists() { format!("Some({})", part(&page, "/")?) } else { "None".into() };
    let parts = plain_files(&assets)?
        .iter()
        .map(|(name, path)| part(path, &format!("/assets/{name}")))
        .collect::<Result<Vec<_>, _>>()?
        .join(", ");
    let tables =
        format!("const PAGE: Option<Part> = {page};\nconst PARTS: &[Part] = &[{parts}];\n");
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join("dashboard.rs"), tables)?)
}

/// Those that are no compressed copy of another, by name.
fn plain_files(directory: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut files = vec![];
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name is not UTF-8")?;
        if !name.ends_with(".gz") {
            files.push((name.to_owned(), path.clone()));
        }
    }
    files.sort();
    Ok(files)
}

/// A `Part` of `src/dashboard.rs`, as code.
fn part(file: &Path, path: &str) -> Result<String, Box<dyn Error>> {
    let gzip = PathBuf::from(format!("{}.gz", file.display()));
    let mut hasher = DefaultHasher::new();
    fs::read(file)?.hash(&mut hasher);
    let tag = hasher.finish();
    if !gzip.exists() {
        return Err(format!("{} is not there: run `make dashboard` again", gzip.display()).into());
    }
    let (file, gzip) = (file.canonicalize()?, gzip.canonicalize()?);
    Ok(format!(
        "Part {{ path: {path:?}, tag: \"W/\\\"{tag:016x}\\\"\", \
         plain: include_bytes!({file:?}), gzip: include_bytes!({gzip:?}) }}"
    ))
}

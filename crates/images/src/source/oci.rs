//! The layout of OCI images: `index.json` leads to manifests, these to settings and layers, all by
//! their digests.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::Container;
use super::{Opened, Settings, digest_of, expect, hex, layers};
use crate::ImageError;
use crate::error::bad;
use crate::name::Name;

/// An index, or a manifest; media types are left out by some.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// What leads to a blob.
#[derive(Clone, Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// Where the name of an image is noted: as whole as it can be had first.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// An index leads to an index for each platform, not further.
const DEPTH: usize = 3;

pub(super) fn open(
    container: &Container,
    index: &[u8],
    wanted: Option<&Name>,
) -> Result<Opened, ImageError> {
    let mut document = read(index)?;
    let mut name = None;
    for _ in 0..DEPTH {
        let Some(manifests) = document.manifests.take() else { break };
        let chosen = choose(manifests, wanted)?;
        name = name.or_else(|| chosen.name());
        document = read(&blob(container, &chosen, "a manifest")?)?;
    }
    let config = document.config.ok_or_else(|| bad("its index leads to no manifest"))?;
    let text = blob(container, &config, "the settings")?;
    let settings = Settings::read(&text)?;
    let blobs = document.layers.iter().map(|layer| container.needed(&path(layer)?));
    let layers = layers(blobs.collect::<Result<_, _>>()?, &settings.layers)?;
    Ok(Opened { layers, settings, digest: Some(config.digest), name })
}

impl Descriptor {
    fn name(&self) -> Option<Name> {
        let noted = |key: &&str| self.annotations.as_ref()?.get(*key);
        // Some note only the tag.
        let whole = NAMES.iter().filter_map(noted).find(|name| name.contains([':', '/']));
        Name::parse(whole?).ok()
    }

    fn is_for(&self, os: &str, architecture: &str) -> bool {
        self.platform.as_ref().is_none_or(|p| p.os == os && p.architecture == architecture)
    }
}

/// The one of this name, or the one for this machine.
fn choose(all: Vec<Descriptor>, wanted: Option<&Name>) -> Result<Descriptor, ImageError> {
    let named = |one: &&Descriptor| wanted.is_some() && one.name().as_ref() == wanted;
    if let Some(named) = all.iter().find(named) {
        return Ok(named.clone());
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut fit: Vec<_> = all.into_iter().filter(|one| one.is_for("linux", architecture)).collect();
    match (fit.pop(), fit.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(bad(format!("it has nothing for linux/{architecture}"))),
        (Some(last), false) => {
            let names = fit.iter().chain([&last]).filter_map(Descriptor::name);
            Err(ImageError::Several(names.map(|name| name.as_str().into()).collect()))
        }
    }
}

fn read(text: &[u8]) -> Result<Document, ImageError> {
    serde_json::from_slice(text).map_err(|e| bad(format!("its index cannot be read: {e}")))
}

fn path(descriptor: &Descriptor) -> Result<String, ImageError> {
    Ok(format!("blobs/sha256/{}", hex(&descriptor.digest)?))
}

/// A small blob, which is what its digest says.
fn blob(container: &Container, of: &Descriptor, what: &str) -> Result<Vec<u8>, ImageError> {
    let text = container.needed_document(&path(of)?)?;
    expect(what, &digest_of(&text), &of.digest)?;
    Ok(text)
}

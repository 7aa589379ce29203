//! What `docker save` writes: a `manifest.json` that names the parts.

use serde::Deserialize;

use super::container::Container;
use super::{Opened, Settings, digest_of, expect, layers};
use crate::ImageError;
use crate::error::bad;
use crate::name::Name;

/// One image of an archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Saved {
    fn names(&self) -> impl Iterator<Item = Name> {
        self.repo_tags.iter().flatten().filter_map(|name| Name::parse(name).ok())
    }
}

pub(super) fn open(
    container: &Container,
    manifest: &[u8],
    wanted: Option<&Name>,
) -> Result<Opened, ImageError> {
    let all: Vec<Saved> = serde_json::from_slice(manifest)
        .map_err(|e| bad(format!("its manifest.json cannot be read: {e}")))?;
    let saved = choose(&all, wanted)?;
    let text = container.needed_document(&saved.config)?;
    let digest = digest_of(&text);
    if let Some(said) = said_digest(&saved.config) {
        expect("its settings", &digest, &said)?;
    }
    let settings = Settings::read(&text)?;
    let blobs = saved.layers.iter().map(|name| container.needed(name));
    let layers = layers(blobs.collect::<Result<_, _>>()?, &settings.layers)?;
    Ok(Opened { layers, settings, digest: Some(digest), name: saved.names().next() })
}

/// The only one, or the one that is wanted.
fn choose<'a>(all: &'a [Saved], wanted: Option<&Name>) -> Result<&'a Saved, ImageError> {
    if let [only] = all {
        return Ok(only);
    }
    let named = all.iter().find(|saved| saved.names().any(|name| Some(&name) == wanted));
    named.ok_or_else(|| match all {
        [] => bad("there is no image in it"),
        all => ImageError::Several(
            all.iter().flat_map(Saved::names).map(|name| name.as_str().into()).collect(),
        ),
    })
}

/// Its settings are named by their digest: `<digits>.json`, or `blobs/sha256/<digits>`.
fn said_digest(config: &str) -> Option<String> {
    let file = config.rsplit('/').next()?;
    let digits = file.strip_suffix(".json").unwrap_or(file);
    let said = format!("sha256:{digits}");
    super::hex(&said).is_ok().then_some(said)
}

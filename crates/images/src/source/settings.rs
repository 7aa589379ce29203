use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ImageError;
use crate::bounds::{VARIABLE_BYTES, VARIABLES};
use crate::error::bad;

/// What the maker of an image set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Digests of its layers, decompressed, the lowest first.
    pub(crate) layers: Vec<String>,
}

/// Both kinds of images have this document.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    config: Option<Config>,
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Settings {
    pub(super) fn read(text: &[u8]) -> Result<Self, ImageError> {
        let document: Document = serde_json::from_slice(text)
            .map_err(|e| bad(format!("its settings cannot be read: {e}")))?;
        let config = document.config.unwrap_or_default();
        let all = config.env.unwrap_or_default();
        if all.len() > VARIABLES || all.iter().map(String::len).sum::<usize>() > VARIABLE_BYTES {
            return Err(bad(format!(
                "it sets more than {VARIABLES} variables or {} KiB of them",
                VARIABLE_BYTES >> 10
            )));
        }
        Ok(Self {
            environment: all.iter().filter_map(|text| variable(text)).collect(),
            labels: config.labels.unwrap_or_default(),
            layers: document.rootfs.diff_ids,
        })
    }
}

/// One that a program can have; ours are not an image's to set.
fn variable(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let ours = name.is_empty() || name.starts_with("CAGENT_");
    (!ours && !text.contains('\0')).then(|| (name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_counts() {
        let text = br#"{"config":{"Env":["PATH=/a:/b","E=","=x","CAGENT_X=1","odd","N=a\u0000"],
            "Labels":{"l":"v"},"WorkingDir":"/w"},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#;
        let settings = Settings::read(text).unwrap();
        let expected = [("PATH", "/a:/b"), ("E", "")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(settings.environment, expected);
        assert_eq!(settings.labels["l"], "v");
        assert_eq!(settings.layers, ["sha256:1"]);
        let bare = Settings::read(br#"{"config":null,"rootfs":{}}"#).unwrap();
        assert_eq!(bare, Settings::default());
        assert!(Settings::read(b"{}").is_err());
    }
}

//! `cagent image ls`.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Context as _;
use bollard::models::ImageSummary;
use bollard::query_parameters::ListImagesOptionsBuilder;
use images::{Image, Images};
use serde::Serialize;
use serde_json::json;

use super::daemon;
use crate::args::Format;
use crate::settings::{EngineName, Settings};
use crate::{complaint, output, server, text};

/// What all our images have, see `image/Dockerfile`: which of the targets it is.
const TARGET: &str = "cagent.image";
const VERSION: &str = "cagent.version";

/// An image that an engine can use: of a daemon only those that are ours.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) engine: &'static str,
    target: String,
    version: String,
    pub(crate) bytes: u64,
}

/// Those of one engine.
///
/// # Errors
/// When its directory cannot be read, or its daemon does not answer.
pub(crate) async fn of(engine: EngineName, settings: &Settings) -> anyhow::Result<Vec<Listed>> {
    match engine {
        EngineName::Local => {
            Ok(Images::open(&server::images(settings)).list()?.into_iter().map(imported).collect())
        }
        EngineName::Docker => of_daemon(settings).await,
    }
}

pub(super) async fn ls(settings: &Settings, format: Format) -> anyhow::Result<ExitCode> {
    let mut images = of(EngineName::Local, settings).await?;
    match of(EngineName::Docker, settings).await {
        Ok(found) => images.extend(found),
        // Who has imported some and set up no daemon has none.
        Err(_) if !images.is_empty() && !wants_daemon(settings) => {}
        Err(e) if !images.is_empty() => complaint::say(&complaint::of(&e)),
        Err(e) => return Err(e),
    }
    match format {
        Format::Json => output::json(&json!({ "images": images }))?,
        Format::Text => {
            let rows: Vec<_> = images.into_iter().map(row).collect();
            output::table(["IMAGE", "ENGINE", "TARGET", "VERSION", "SIZE"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn wants_daemon(settings: &Settings) -> bool {
    settings.docker_host.is_some() || settings.engines.contains(&EngineName::Docker)
}

async fn of_daemon(settings: &Settings) -> anyhow::Result<Vec<Listed>> {
    let docker = daemon::connect(settings).await?;
    let filters = HashMap::from([("label", vec![TARGET])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let found = docker.list_images(Some(options)).await.context("list the daemon's images")?;
    Ok(found.into_iter().flat_map(listed).collect())
}

fn imported(image: Image) -> Listed {
    let label = |name| text::one_line(image.labels.get(name).map_or("", String::as_str));
    let (target, version) = (label(TARGET), label(VERSION));
    Listed { name: image.name, engine: "local", target, version, bytes: image.bytes }
}

/// One for each of its names; none for what only lies about.
fn listed(image: ImageSummary) -> impl Iterator<Item = Listed> {
    let ImageSummary { repo_tags, labels, size, .. } = image;
    let label = move |name| text::one_line(labels.get(name).map_or("", String::as_str));
    let names = repo_tags.into_iter().filter(|name| name != "<none>:<none>");
    names.map(move |name| Listed {
        name,
        engine: "docker",
        target: label(TARGET),
        version: label(VERSION),
        bytes: size.unsigned_abs(),
    })
}

fn row(image: Listed) -> [String; 5] {
    let size = text::size(image.bytes);
    [image.name, image.engine.into(), image.target, image.version, size]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_there_under_each_of_its_names() {
        let image = ImageSummary {
            repo_tags: vec!["a:1".into(), "<none>:<none>".into(), "b:latest".into()],
            labels: HashMap::from([(TARGET.into(), "full".into())]),
            size: 7,
            ..ImageSummary::default()
        };
        let all: Vec<_> = listed(image).collect();
        assert_eq!(all.iter().map(|image| &*image.name).collect::<Vec<_>>(), ["a:1", "b:latest"]);
        assert_eq!((&*all[0].target, &*all[0].version, all[0].bytes), ("full", "", 7));
    }
}

//! What the server tells people of the machine, beside what jobs know of it.

use std::time::Duration;

use anyhow::anyhow;
use api::{EngineImage, Finding, FindingLevel, Machine};
use async_trait::async_trait;
use engine_local::probe::{self, Level};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::commands::{doctor, image};
use crate::settings::{EngineName, Settings};

/// How long a daemon may take to say which images it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// This machine, as the settings make use of it.
#[derive(Debug)]
pub(crate) struct ThisMachine(pub(crate) Settings);

#[async_trait]
impl Machine for ThisMachine {
    async fn images(&self) -> Vec<EngineImage> {
        let Self(settings) = self;
        let engines = settings.engines.iter().map(|engine| images(*engine, settings));
        join_all(engines).await.into_iter().flatten().collect()
    }

    async fn doctor(&self) -> Vec<Finding> {
        match doctor::findings(&self.0).await {
            Ok(findings) => findings.into_iter().map(told).collect(),
            Err(e) => {
                let (what, found) = ("server".into(), format!("{e:#}"));
                vec![Finding { what, level: FindingLevel::Missing, found, lost: None, cure: None }]
            }
        }
    }
}

async fn images(engine: EngineName, settings: &Settings) -> Vec<EngineImage> {
    let asked = timeout(PATIENCE, image::of(engine, settings)).await;
    match asked.unwrap_or_else(|_| Err(anyhow!("it does not answer"))) {
        Ok(images) => images.into_iter().map(listed).collect(),
        Err(e) => {
            tracing::debug!("could not ask {} for its images: {e:#}", engine.as_str());
            vec![]
        }
    }
}

fn listed(image: image::Listed) -> EngineImage {
    EngineImage { engine: image.engine.into(), name: image.name, bytes: image.bytes }
}

fn told(finding: probe::Finding) -> Finding {
    let probe::Finding { what, level, found, lost, cure } = finding;
    let level = match level {
        Level::Ok => FindingLevel::Ok,
        Level::Degraded => FindingLevel::Degraded,
        Level::Missing => FindingLevel::Missing,
    };
    Finding { what, level, found, lost, cure }
}

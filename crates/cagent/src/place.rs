//! Which server a command talks to.
//!
//! ```text
//! --server given ─────────────────────────► Given
//! else the data directory's lock is held ─► Found: by the address in it
//! else ───────────────────────────────────► Own: one in this process, on a free port
//! ```
//!
//! A found server may be another command's own, which goes away with it. [`Place::again`] then
//! looks anew; where nobody else is left, this process takes the jobs over. A server that was meant
//! to stay is waited for: whoever restarts it shall find the data directory free.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Url;
use types::JobStatus;

use crate::client::Client;
use crate::complaint;
use crate::key::Key;
use crate::lockfile;
use crate::server::{Purpose, Server, any_port, is_in_use};
use crate::settings::Settings;

/// How often to look: each time another process may have come or gone in between. With the second
/// that [`Server::start`] waits for the lock that is patience enough.
const ATTEMPTS: u32 = 5;

/// Before a server that could not be reached is looked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// A server to talk to, and how it was found.
#[derive(Debug)]
pub(crate) struct Place {
    client: Client,
    settings: Settings,
    purpose: Purpose,
    found: Found,
}

#[derive(Debug)]
enum Found {
    /// By its name.
    Given,
    /// By its lock.
    Elsewhere { passing: bool },
    /// In this process.
    Own(Server),
}

impl Place {
    /// Finds a server, or starts one.
    pub(crate) async fn find(settings: Settings, purpose: Purpose) -> anyhow::Result<Self> {
        let (client, found) = match &settings.server {
            Some(url) => {
                let key = Key::given(settings.api_key.as_ref());
                (Client::new(url.clone())?.with_key(key), Found::Given)
            }
            None => look(&settings, purpose).await?,
        };
        Ok(Self { client, settings, purpose, found })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether nobody runs the jobs that this place knows.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(&self.found, Found::Own(server) if server.purpose() == Purpose::Look)
    }

    /// Refuses what is only to be had of jobs that run.
    pub(crate) fn must_run(&self) -> anyhow::Result<()> {
        let dir = self.settings.data_dir.display();
        ensure!(
            !self.only_looks(),
            "no server runs on {dir}, so no job does; start `cagent serve`"
        );
        Ok(())
    }

    /// Tells who looks at jobs that are not over that nobody works on them, if that is so.
    pub(crate) fn say_if_nobody_runs(&self, statuses: impl IntoIterator<Item = JobStatus>) {
        if self.only_looks() && statuses.into_iter().any(|status| !status.is_final()) {
            let dir = self.settings.data_dir.display();
            complaint::say(&format!(
                "no server runs on {dir}; `cagent serve` goes on with these jobs"
            ));
        }
    }

    /// Why models that somebody set up here are not asked for a new job.
    pub(crate) fn lost_models(&self) -> Vec<String> {
        let models = &self.settings.models;
        let (asked, halves) = (models.providers(), models.warnings());
        if self.is_own() {
            return halves;
        }
        let some = asked.is_ok_and(|asked| !asked.is_empty()) || !halves.is_empty();
        let lost = "the server that was asked has no model; your own settings do not reach it";
        some.then(|| lost.into()).into_iter().collect()
    }

    /// Whether the server is in this process, so that jobs need it to stay.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.found, Found::Own(_))
    }

    /// Looks for a server again after one could not be reached; that may need more than one try.
    pub(crate) async fn again(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(PAUSE).await;
        let found = match self.found {
            Found::Elsewhere { passing: true } => Some(look(&self.settings, self.purpose).await?),
            Found::Elsewhere { passing: false } => running(&self.settings).await?,
            Found::Given | Found::Own(_) => None,
        };
        if let Some(found) = found {
            (self.client, self.found) = found;
        }
        Ok(())
    }

    /// Takes leave; a server in this process is stopped.
    pub(crate) async fn close(self) {
        let Self { client, found, .. } = self;
        // Its idle connections would be waited for.
        drop(client);
        if let Found::Own(server) = found {
            server.stop(pending::<()>()).await;
        }
    }
}

async fn look(settings: &Settings, purpose: Purpose) -> anyhow::Result<(Client, Found)> {
    let mut in_use = None;
    for _ in 0..ATTEMPTS {
        if let Some(found) = running(settings).await? {
            return Ok(found);
        }
        match Server::start(settings, any_port().await?, purpose).await {
            Ok(server) => {
                let url = format!("http://{}", server.address());
                let client = client(url.parse().context("our own address")?, settings)?;
                return Ok((client, Found::Own(server)));
            }
            Err(e) if is_in_use(&e) => in_use = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(in_use.unwrap_or_else(|| anyhow::anyhow!("no server was found")))
}

/// The server that says it has the data directory, if it answers.
async fn running(settings: &Settings) -> anyhow::Result<Option<(Client, Found)>> {
    let line = jobs::owner(&settings.data_dir)?.unwrap_or_default();
    let Some(url) = lockfile::address(&line) else { return Ok(None) };
    let client = client(url, settings)?;
    let passing = line.ends_with(lockfile::PASSING);
    Ok(client.is_healthy().await.then_some((client, Found::Elsewhere { passing })))
}

/// Of the server that has the data directory.
fn client(url: Url, settings: &Settings) -> anyhow::Result<Client> {
    let key = Key::of(&settings.data_dir, settings.api_key.as_ref());
    Ok(Client::new(url)?.with_key(key))
}

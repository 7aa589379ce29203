//! A gateway and a sink that remembers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gateway::{EgressPolicy, Gateway, KeyState, Sink, SinkError};
use protocol::{AgentSpec, Assignment, Client, Hello, Report};
use runbook::Runbook;
use tempfile::TempDir;
use tokio::sync::watch;
use types::{Egress, JobId, ModelAnswer, ModelRequest};

/// Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Remembers what it is told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) told: Mutex<Told>,
    pub(crate) connections: watch::Sender<Vec<Egress>>,
    /// How many said hello, and whether they wait for their answers.
    pub(crate) hellos: watch::Sender<usize>,
    pub(crate) slow: watch::Sender<bool>,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) key: Option<[u8; 32]>,
    pub(crate) used: bool,
    pub(crate) reports: Vec<u64>,
}

#[async_trait]
impl Sink for Memory {
    async fn hello(
        &self,
        _: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        self.hellos.send_modify(|hellos| *hellos += 1);
        drop(self.slow.subscribe().wait_for(|slow| !slow).await);
        let mut told = self.told.lock().unwrap();
        told.key = new_key.or(told.key);
        let spec = AgentSpec {
            job: JobId::generate(),
            assignment: Assignment::Runbook { runbook: Runbook { title: None, blocks: vec![] } },
            approve: false,
            include_caches: false,
            command_user: None,
            environment: std::collections::BTreeMap::new(),
            desktop: false,
            checkpoint: None,
            resumes: None,
        };
        Ok((spec, told.reports.len() as u64))
    }

    async fn key_used(&self, key: [u8; 32]) -> Result<(), SinkError> {
        let mut told = self.told.lock().unwrap();
        (told.key, told.used) = (Some(key), true);
        Ok(())
    }

    async fn egress(&self, egress: Egress) -> Result<(), SinkError> {
        // A real one writes to a disk, and can be called off meanwhile.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.connections.send_modify(|connections| connections.push(egress));
        Ok(())
    }

    async fn model(&self, _: ModelRequest) -> Result<ModelAnswer, SinkError> {
        Err(SinkError::Refused("this one has no model".into()))
    }

    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let mut told = self.told.lock().unwrap();
        told.reports.extend(reports.iter().map(|report| report.n));
        Ok(told.reports.len() as u64)
    }
}

pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) memory: Arc<Memory>,
    pub(crate) gateway: Gateway,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(EgressPolicy::default())
    }

    pub(crate) fn with(egress: EgressPolicy) -> Self {
        Self::open(KeyState::None, egress)
    }

    pub(crate) fn open(key: KeyState, egress: EgressPolicy) -> Self {
        let (dir, memory) = (TempDir::new().unwrap(), Arc::new(Memory::default()));
        let gateway = Gateway::open(dir.path(), key, memory.clone(), egress, vec![]).unwrap();
        Self { dir, memory, gateway }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(protocol::SOCKET_NAME)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }
}

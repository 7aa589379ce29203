//! How the gateway reaches a job's sink. What that began, it finishes, also when the agent's connection
//! breaks: a batch that was recorded must also count as taken.

use std::sync::Arc;

use async_trait::async_trait;
use gateway::SinkError;
use protocol::{AgentSpec, Hello, Report};
use tracing::Instrument as _;
use types::{Egress, ModelAnswer, ModelRequest};

use crate::sink::{JobSink, unavailable};

/// The sink as the gateway has it.
#[derive(Debug)]
pub(crate) struct Door(pub(crate) Arc<JobSink>);

#[async_trait]
impl gateway::Sink for Door {
    async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        let sink = self.0.clone();
        self.in_turn(async move { sink.hello(hello, new_key).await }).await
    }

    async fn key_used(&self, key: [u8; 32]) -> Result<(), SinkError> {
        let sink = self.0.clone();
        self.in_turn(async move { sink.key_used(key).await }).await
    }

    async fn egress(&self, egress: Egress) -> Result<(), SinkError> {
        let sink = self.0.clone();
        whole(async move { sink.egress(egress).await }).await
    }

    fn received(&self, bytes: usize) {
        self.0.inner.metrics.gateway_bytes.inc_by(bytes as u64);
    }

    /// The one that does not: a question that is taken back costs no more.
    async fn model(&self, question: ModelRequest) -> Result<ModelAnswer, SinkError> {
        self.0.clone().model(question).await
    }

    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let sink = self.0.clone();
        whole(async move { sink.reports(reports).await }).await
    }
}

impl Door {
    /// Does what concerns the key after all that came before it, also if their connections broke.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SinkError>> + Send + 'static,
    ) -> Result<T, SinkError> {
        // Before the task, which may begin late.
        let turn = self.0.greeting.clone().lock_owned().await;
        whole(async move {
            let _turn = turn;
            work.await
        })
        .await
    }
}

/// Does it though whoever waits for it leaves.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, SinkError>> + Send + 'static,
) -> Result<T, SinkError> {
    tokio::spawn(work.in_current_span()).await.map_err(unavailable)?
}

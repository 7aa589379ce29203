//! `cagent mcp`: an assistant gives, follows, steers and fetches jobs, by the Model Context Protocol
//! on standard input and output.
//!
//! | file | what |
//! |---|---|
//! | `tools` | what an assistant can have done |
//! | `wishes` | what it says with that |
//! | `answer` | what it hears: short, whatever a job wrote |
//!
//! Invariant: nothing but the protocol is on standard output, and no answer is longer than
//! [`answer::MOST_BYTES`]. Not here: what a tool does, which is a call of the server as every
//! command's.

mod answer;
mod tools;
mod wishes;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use rmcp::ServiceExt as _;
use rmcp::transport::io::stdio_pipes;
use tokio::sync::Mutex;

use crate::place::Place;
use crate::signals::Signals;
use tools::Tools;

/// Serves one assistant until it closes standard input, or somebody stops us.
pub(crate) async fn serve(place: Place) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let place = Arc::new(Mutex::new(place));
    let tools = Tools::new(place.clone());
    let served = async {
        let service = tools.serve(stdio_pipes()).await.context("greet the assistant")?;
        service.waiting().await.context("serve the assistant")
    };
    let served = tokio::select! {
        served = served => served.map(drop),
        _ = signals.recv() => Ok(()),
    };
    // What still asks the server is gone with the service.
    if let Some(place) = Arc::into_inner(place) {
        place.into_inner().close().await;
    }
    served.map(|()| ExitCode::SUCCESS)
}

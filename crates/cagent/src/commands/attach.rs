//! `cagent attach`.

use std::process::ExitCode;

use crate::args::JobArgs;
use crate::place::Place;
use crate::shell::{self, How};

pub(super) async fn attach(place: Place, args: &JobArgs) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let job = args.job.id(place.client()).await?;
    let how = How { command: vec![], input: true, terminal: true };
    let code = shell::run(place.client(), job, how).await?;
    place.close().await;
    Ok(ExitCode::from(code))
}

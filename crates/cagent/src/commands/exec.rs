//! `cagent exec`.

use std::process::ExitCode;

use crate::args::ExecArgs;
use crate::place::Place;
use crate::shell::{self, How};

pub(super) async fn exec(place: Place, args: ExecArgs) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let job = args.job.id(place.client()).await?;
    let how = How { command: args.command, input: args.interactive, terminal: args.tty };
    let code = shell::run(place.client(), job, how).await?;
    place.close().await;
    Ok(ExitCode::from(code))
}

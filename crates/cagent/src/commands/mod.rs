//! One file per command: what it asks the server for and how it prints the answer.

mod cancel;
mod doctor;
mod download;
mod logs;
mod ps;
mod run;
mod save;
mod serve;
mod status;

use std::process::ExitCode;

use anyhow::ensure;
use reqwest::Url;

use crate::args::{Cli, Command, EngineArgs, Global};
use crate::environment::Environment;
use crate::lockfile;
use crate::place::Place;
use crate::server::Purpose;
use crate::settings::{self, Settings};

/// Does what the command line says.
pub(crate) async fn run(cli: Cli, environment: &Environment) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    let format = global.format;
    let look = Context { global: &global, environment, purpose: Purpose::Look };
    let work = Context { purpose: Purpose::Work, ..look };
    match command {
        Command::Serve(args) => serve::serve(args, &global, environment).await,
        Command::Run(args) => run::run(args, work, format).await,
        Command::Ps => ps::ps(look.place().await?, format).await,
        Command::Status(args) => status::status(look.place().await?, &args.job, format).await,
        Command::Logs(args) => logs::logs(look.place().await?, &args, format).await,
        Command::Cancel(args) => cancel::cancel(work.place().await?, &args.job, format).await,
        Command::Download(args) => download::download(look.place().await?, args, format).await,
        Command::Doctor(args) => {
            let here = global.server.is_none();
            ensure!(here, "doctor looks at this machine; call it where the server runs");
            doctor::doctor(&Settings::new(&global, &args, environment)?, format).await
        }
    }
}

/// What a command needs to find its server.
#[derive(Clone, Copy)]
struct Context<'a> {
    global: &'a Global,
    environment: &'a Environment,
    purpose: Purpose,
}

impl Context<'_> {
    /// For jobs that are there; nothing is made where none was ever kept.
    async fn place(self) -> anyhow::Result<Place> {
        let (given, settings) = self.settings(&EngineArgs::default())?;
        let dir = &settings.data_dir;
        let there = given.is_some() || lockfile::is_in(dir);
        ensure!(there, "no jobs were ever kept in {}", dir.display());
        Place::find(given, settings, self.purpose).await
    }

    /// For a new job.
    async fn place_with(self, engine: &EngineArgs) -> anyhow::Result<Place> {
        let (given, settings) = self.settings(engine)?;
        Place::find(given, settings, self.purpose).await
    }

    fn settings(self, engine: &EngineArgs) -> anyhow::Result<(Option<Url>, Settings)> {
        let settings = Settings::new(self.global, engine, self.environment)?;
        Ok((settings::server(self.global, self.environment)?, settings))
    }
}

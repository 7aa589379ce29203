//! One file per command: what it asks the server for and how it prints the answer.

mod approve;
mod ask;
mod attach;
mod backup;
mod cancel;
mod completions;
mod config;
mod cp;
mod delete;
mod diff;
pub(crate) mod doctor;
mod download;
mod exec;
mod files;
pub(crate) mod image;
mod key;
mod leave;
mod live;
mod logs;
mod open;
mod ps;
mod restore;
mod resume;
mod run;
pub(crate) mod save;
mod say;
mod serve;
mod status;
mod task;
mod top;
mod vnc;
mod watch;

use std::process::ExitCode;

use anyhow::ensure;

use crate::args::{Cli, Command};
use crate::lockfile;
use crate::mcp;
use crate::place::Place;
use crate::server::Purpose;
use crate::settings::{Settings, Sources};

/// Does what the command line says.
pub(crate) async fn run(
    cli: Cli,
    settings: Settings,
    sources: &Sources,
) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    let format = global.format;
    let look = Context { settings: &settings, purpose: Purpose::Look };
    let work = Context { purpose: Purpose::Work, ..look };
    match command {
        Command::Serve(_) => {
            let here = global.server.is_none();
            ensure!(here, "serve is a server of its own; --listen says where it listens");
            serve::serve(&settings).await
        }
        Command::Run(args) => run::run(args, work, format).await,
        Command::Ps(args) => ps::ps(look.place().await?, &args, format).await,
        Command::Status(args) => status::status(look.place().await?, &args.job, format).await,
        Command::Logs(args) => logs::logs(look.place().await?, &args, format).await,
        Command::Watch(args) => watch::watch(look.place().await?, &args).await,
        Command::Top(args) => top::top(look.place().await?, &args, format).await,
        Command::Diff(args) => diff::diff(look.place().await?, &args, format).await,
        Command::Completions(args) => completions::completions(&args),
        Command::Say(args) => say::say(look.place().await?, &args).await,
        Command::Approve(args) => approve::approve(look.place().await?, &args).await,
        Command::Open(args) => open::open(look.place().await?, &args, format).await,
        Command::Attach(args) => attach::attach(look.place().await?, &args).await,
        Command::Exec(args) => exec::exec(look.place().await?, args).await,
        Command::Vnc(args) => vnc::vnc(look.place().await?, &args).await,
        Command::Cancel(args) => cancel::cancel(work.place().await?, &args.job, format).await,
        Command::Resume(args) => resume::resume(&args.job, work, format).await,
        Command::Download(args) => download::download(look.place().await?, args, format).await,
        Command::Files(args) => files::files(look.place().await?, &args, format).await,
        Command::Key { command } => key::key(command, look, format).await,
        Command::Image { command } => {
            let here = global.server.is_none();
            ensure!(here, "image deals with this machine's images; call it where the server runs");
            image::image(command, &settings, format).await
        }
        Command::Cp(args) => cp::cp(args, work, format).await,
        Command::Delete(args) => delete::delete(work.place().await?, &args.jobs, format).await,
        Command::Backup(args) => {
            let here = global.server.is_none();
            ensure!(here, "backup copies a data directory; call it where the server runs");
            backup::backup(&settings, args, format).await
        }
        Command::Restore(args) => {
            let here = global.server.is_none();
            ensure!(here, "restore fills a data directory; call it where the server is to run");
            restore::restore(&settings, args, format).await
        }
        Command::Doctor(_) => {
            let here = global.server.is_none();
            ensure!(here, "doctor looks at this machine; call it where the server runs");
            doctor::doctor(&settings, format).await
        }
        Command::Mcp => mcp::serve(work.new_place().await?).await,
        Command::Config(_) => config::config(&settings, sources, format),
    }
}

/// What a command needs to find its server.
#[derive(Clone, Copy)]
struct Context<'a> {
    settings: &'a Settings,
    purpose: Purpose,
}

impl Context<'_> {
    /// For jobs that are there; nothing is made where none was ever kept.
    async fn place(self) -> anyhow::Result<Place> {
        let dir = &self.settings.data_dir;
        let there = self.settings.server.is_some() || lockfile::is_in(dir);
        ensure!(there, "no jobs were ever kept in {}", dir.display());
        self.new_place().await
    }

    /// For a new job.
    async fn new_place(self) -> anyhow::Result<Place> {
        Place::find(self.settings.clone(), self.purpose).await
    }
}

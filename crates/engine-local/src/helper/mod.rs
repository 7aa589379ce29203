//! The helper: one process a sandbox, single-threaded, started in the sandbox's folder.
//!
//! It makes the sandbox (`launch`: `clone`, then in the child `child`: `mounts`, `layers`,
//! `etc_files`, `procfs`, `root`, `limits`, `seccomp`) and guards it to its end (`supervise`, with an
//! eye on its `disk`). Killed by anybody, it takes the sandbox with it.

mod child;
mod clone;
mod disk;
mod error;
mod etc_files;
mod launch;
mod layers;
mod limits;
mod mount_calls;
mod mounts;
mod procfs;
mod root;
mod seccomp;
mod supervise;

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use engine::Ended;

use crate::control::Started;
use crate::folder;
use crate::plan::{Plan, VERSION};
use disk::Disk;
use error::{SetupError, at};
use supervise::Supervisor;

/// Runs a helper in the current directory until its sandbox has ended.
#[must_use]
pub fn main() -> ExitCode {
    // A group leader cannot have a session of its own; then it has a group of its own at least.
    let _ = rustix::process::setsid();
    let supervisor = match start() {
        Ok(supervisor) => supervisor,
        Err(e) => {
            say(&Started::Failed { message: e.to_string() });
            return ExitCode::FAILURE;
        }
    };
    say(&Started::Running);
    match finish(supervisor) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<Supervisor, SetupError> {
    let plan = read_plan()?;
    let socket = open_socket()?;
    let made = make(&plan, socket);
    if made.is_err() {
        let _ = std::fs::remove_file(folder::SOCKET);
    }
    made
}

fn make(plan: &Plan, socket: UnixListener) -> Result<Supervisor, SetupError> {
    let mount = plan.image.then(disk::take_mount).transpose()?;
    let disk = Disk::open(mount.as_ref(), &plan.limits)?;
    let sandbox = launch::launch(plan, mount)?;
    Supervisor::new(sandbox, disk, socket, plan.limits.wall_seconds)
}

/// Opens our socket before anything else: a second helper of the same sandbox fails here. It gets
/// its name only once it listens, because a socket that refuses means that the helper is dead.
fn open_socket() -> Result<UnixListener, SetupError> {
    let draft = format!("{}.{}", folder::SOCKET, std::process::id());
    let socket = UnixListener::bind(&draft).map_err(at("bind", &draft))?;
    let named = std::fs::hard_link(&draft, folder::SOCKET).map_err(at("bind", folder::SOCKET));
    std::fs::remove_file(&draft).map_err(at("remove", &draft))?;
    named.map(|()| socket)
}

fn read_plan() -> Result<Plan, SetupError> {
    let text = std::fs::read(folder::PLAN).map_err(at("read", folder::PLAN))?;
    let plan: Plan = serde_json::from_slice(&text)
        .map_err(|e| at("read", folder::PLAN)(std::io::Error::other(e)))?;
    if plan.version == VERSION { Ok(plan) } else { Err(SetupError::Version(plan.version)) }
}

/// Tells the engine, and lets go of the pipe so that it hears the end of the line.
fn say(started: &Started) {
    let line = serde_json::to_string(started).unwrap_or_default();
    // Nobody listens any more if the orchestrator died; the sandbox lives on all the same.
    let _ = writeln!(std::io::stdout(), "{line}");
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

fn finish(mut supervisor: Supervisor) -> Result<(), SetupError> {
    let ended = supervisor.run()?;
    let words = write_whole(folder::AGENT_LOG, supervisor.last_words());
    let written = write_ended(&ended);
    // Also when the disk is full: who waits now learns it all the same.
    supervisor.tell_waiters(&ended);
    words.and(written)
}

fn write_ended(ended: &Ended) -> Result<(), SetupError> {
    let text = serde_json::to_vec(ended)
        .map_err(|e| at("write", folder::ENDED)(std::io::Error::other(e)))?;
    write_whole(folder::ENDED, &text)
}

/// Writes a file so that it is there completely or not at all. Not synced to disk: what a power cut
/// takes with it was [`engine::SandboxEnd::Lost`] anyway, and a sync costs as much as the rest.
fn write_whole(name: &str, content: &[u8]) -> Result<(), SetupError> {
    let draft = format!("{name}.draft");
    std::fs::write(&draft, content).map_err(at("write", &draft))?;
    std::fs::rename(&draft, name).map_err(at("write", name))
}

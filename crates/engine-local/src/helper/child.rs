//! The way from a fresh clone to agentd, in the child. The order matters: each step gives up what
//! the next ones do not need.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use protocol::AGENT_ID;
use rustix::fs::Mode;
use rustix::process::{Gid, Signal, Uid};

use super::error::{SetupError, at};
use super::mounts::{self, Sources};
use super::{limits, seccomp};
use crate::inside;
use crate::plan::{Plan, Root, Users};

/// First thing the child says; failing to say it means that the helper is gone.
pub(super) const ALIVE: &str = "alive\n";

/// The child's ends of the pipes to the helper.
pub(super) struct Pipes {
    /// Readable once maps and cgroups are set.
    pub(super) go: OwnedFd,
    /// [`ALIVE`], then why it failed; closed by becoming agentd.
    pub(super) status: OwnedFd,
    /// Becomes stdout and stderr.
    pub(super) output: OwnedFd,
}

/// Never returns: it becomes agentd, or says why not and ends.
pub(super) fn become_agentd(plan: &Plan, sources: Option<Sources>, pipes: Pipes) -> ! {
    let mut status = File::from(pipes.status);
    let Err(e) = prepare_and_exec(plan, sources, &pipes.go, &pipes.output, &mut status);
    let _ = status.write_all(e.to_string().as_bytes());
    std::process::exit(125)
}

fn prepare_and_exec(
    plan: &Plan,
    sources: Option<Sources>,
    go: &OwnedFd,
    output: &OwnedFd,
    status: &mut File,
) -> Result<Infallible, SetupError> {
    let mut byte = [0];
    File::from(go.try_clone().map_err(at("copy", "a pipe"))?)
        .read_exact(&mut byte)
        .map_err(at("wait for", "the helper"))?;
    mounts::make_private()?;
    // Before the change of user: whoever owns the directories may open them.
    let sources = sources.map_or_else(|| Sources::open(plan, None), Ok)?;
    become_user(plan.users)?;
    die_with_helper(status)?;
    rustix::system::sethostname(b"sandbox").map_err(at("set", "the host name"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    mounts::build_root(plan, sources)?;
    limits::raise_loopback()?;
    limits::set_rlimits(&plan.limits)?;
    rustix::stdio::dup2_stdout(output).map_err(at("replace", "stdout"))?;
    rustix::stdio::dup2_stderr(output).map_err(at("replace", "stderr"))?;
    limits::ignore_no_signal();
    limits::close_on_exec()?;
    limits::drop_capabilities(plan.users)?;
    seccomp::apply()?;
    exec(plan)
}

fn become_user(users: Users) -> Result<(), SetupError> {
    let Users::Separate { .. } = users else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(AGENT_ID), Gid::from_raw(AGENT_ID));
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(at("become", "agentd's group"))?;
    rustix::thread::set_thread_groups(&[]).map_err(at("leave", "all groups"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(at("become", "agentd's user"))
}

/// A change of user forgets this, so it comes after. If the helper died before, speaking fails.
fn die_with_helper(status: &mut File) -> Result<(), SetupError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(at("ask for", "a signal at the helper's death"))?;
    status.write_all(ALIVE.as_bytes()).map_err(at("speak to", "the helper"))
}

fn exec(plan: &Plan) -> Result<Infallible, SetupError> {
    let (program, arguments) = plan.command.split_first().ok_or(SetupError::NoCommand)?;
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", &plan.path)
        .env("LANG", "C.UTF-8")
        .envs(plan.root.iter().flat_map(variables))
        .env("HOME", inside::HOME)
        .env("TERM", "dumb")
        .exec();
    Err(at("execute", program)(error))
}

/// What an image sets; commands have it too.
fn variables(root: &Root) -> impl Iterator<Item = (&str, &str)> {
    let own = root.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    own.chain([(protocol::IMAGE_VARIABLE, "1")])
}

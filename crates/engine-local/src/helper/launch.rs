//! Makes a sandbox, from the helper's side: cgroups, clone, maps, and waiting until agentd runs.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, Uid};
use rustix::thread::{capabilities, set_capabilities};

use super::child::{self, Pipes};
use super::clone::{Side, into_new_namespaces};
use super::error::{SetupError, at};
use super::layers;
use super::limits;
use super::mounts::Sources;
use crate::cgroup::Group;
use crate::plan::{Plan, Users};

/// A running sandbox.
pub(super) struct Sandbox {
    /// PID 1 of it.
    pub(super) pidfd: OwnedFd,
    pub(super) group: Group,
    /// What agentd writes to stdout and stderr.
    pub(super) output: File,
    /// Keeps its image.
    _image: Option<File>,
}

/// Makes the sandbox of a plan, with this workspace if it is not a directory. After an error nothing
/// of it is left.
pub(super) fn launch(plan: &Plan, workspace: Option<OwnedFd>) -> Result<Sandbox, SetupError> {
    limits::allow(&plan.limits);
    let image = plan.root.as_ref().map(|root| images::hold(&root.tree));
    let _image = image.transpose().map_err(at("keep", "the image, which was replaced"))?;
    let group = plan.place.group(&plan.name, &plan.limits);
    let made = group.make().map_err(at("limit", "the sandbox"));
    let started = made.and_then(|()| run(plan, workspace, &group));
    match started {
        Ok((pidfd, output)) => Ok(Sandbox { pidfd, group, output, _image }),
        Err(e) => {
            let _ = group.remove();
            Err(e)
        }
    }
}

fn run(
    plan: &Plan,
    workspace: Option<OwnedFd>,
    group: &Group,
) -> Result<(OwnedFd, File), SetupError> {
    // As root they are opened here, where no directory on the way is closed to us; an ordinary
    // user may only do it in a mount namespace of its own.
    let sources = match plan.users {
        Users::Separate { .. } => Some(Sources::open(plan, workspace)?),
        Users::Shared { .. } => None,
    };
    let (go_inside, go) = pipe()?;
    let (status, status_inside) = pipe()?;
    let (output, output_inside) = pipe()?;
    match clone_for(plan.users)? {
        Side::Child => {
            drop((go, status, output));
            let pipes = Pipes { go: go_inside, status: status_inside, output: output_inside };
            child::become_agentd(plan, sources, pipes)
        }
        Side::Parent { pid, pidfd } => {
            drop((go_inside, status_inside, output_inside));
            let image = sources.and_then(|sources| sources.image);
            if let Err(e) = admit(plan, group, pid, image, go).and_then(|()| hear(status)) {
                let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                return Err(e);
            }
            // Somebody else may hold the other end for longer than the sandbox lives.
            rustix::io::ioctl_fionbio(&output, true).map_err(at("set up", "a pipe"))?;
            Ok((pidfd, output.into()))
        }
    }
}

/// The kernel charges what a sandbox takes of its own stock (pending signals, watches) to whoever
/// made its user namespace. As root that is agentd's user, lest a job use up what root may have.
fn clone_for(users: Users) -> Result<Side, SetupError> {
    let cloned = || into_new_namespaces().map_err(at("clone into", "new namespaces"));
    let Users::Separate { agentd, .. } = users else { return cloned() };
    let act_as = |uid: Uid| {
        rustix::thread::set_thread_res_uid(Uid::ROOT, uid, Uid::ROOT)
            .map_err(at("act as", format!("user {}", uid.as_raw())))
    };
    let rights = capabilities(None).map_err(at("look at", "capabilities"))?;
    act_as(Uid::from_raw(agentd))?;
    // The change took root's rights out of effect, without which some hosts allow no namespaces.
    let side = set_capabilities(None, rights).map_err(at("keep", "capabilities"));
    let side = side.and_then(|()| cloned());
    if !matches!(side, Ok(Side::Child)) {
        act_as(Uid::ROOT)?;
    }
    side
}

/// Gives the child its users and its limits, and its image to them, then lets it go on.
fn admit(
    plan: &Plan,
    group: &Group,
    pid: Pid,
    image: Option<OwnedFd>,
    go: OwnedFd,
) -> Result<(), SetupError> {
    let raw = pid.as_raw_nonzero().get();
    for (file, content) in maps(plan.users) {
        let path = format!("/proc/{raw}/{file}");
        std::fs::write(&path, content).map_err(at("write", path))?;
    }
    image.map_or(Ok(()), |image| layers::map(&image, pid))?;
    group.join(raw.unsigned_abs()).map_err(at("limit", "the sandbox"))?;
    File::from(go).write_all(b"g").map_err(at("wake", "the sandbox"))
}

/// The files beside a process that say who is who in its user namespace.
fn maps(users: Users) -> Vec<(&'static str, String)> {
    use protocol::{AGENT_ID, COMMAND_ID};
    match users {
        Users::Separate { agentd, commands } => {
            let map = format!("{AGENT_ID} {agentd} 1\n{COMMAND_ID} {commands} 1\n");
            vec![("uid_map", map.clone()), ("gid_map", map)]
        }
        Users::Shared { uid, gid } => vec![
            // Without it the kernel refuses the gid map of an ordinary user.
            ("setgroups", "deny".into()),
            ("uid_map", format!("{COMMAND_ID} {uid} 1\n")),
            ("gid_map", format!("{COMMAND_ID} {gid} 1\n")),
        ],
    }
}

/// Waits until the child has become agentd (the pipe closes) or has said why it could not.
fn hear(status: OwnedFd) -> Result<(), SetupError> {
    let mut text = String::new();
    File::from(status).read_to_string(&mut text).map_err(at("hear from", "the sandbox"))?;
    match text.strip_prefix(child::ALIVE) {
        Some("") => Ok(()),
        Some(complaint) => Err(SetupError::Inside(complaint.into())),
        None if text.is_empty() => Err(SetupError::Died),
        None => Err(SetupError::Inside(text)),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), SetupError> {
    pipe_with(PipeFlags::CLOEXEC).map_err(at("make", "a pipe"))
}

//! Floors that are a command: plain, or in somebody else's sandbox.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::stats::millis;

/// What is run everywhere.
const READY: &str = "echo ready";

/// The shell, as it is.
pub(crate) fn plain() -> Command {
    shell("sh", &[])
}

/// The shell in seven namespaces and nothing else.
pub(crate) fn unshare() -> Command {
    let namespaces = "--user --map-root-user --mount --uts --ipc --net --pid --cgroup --fork sh";
    shell("unshare", &namespaces.split(' ').collect::<Vec<_>>())
}

/// The shell in a sandbox of bubblewrap that shows it what ours shows.
pub(crate) fn bwrap() -> Command {
    let sandbox = "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin \
                   --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev \
                   --tmpfs /tmp sh";
    shell("bwrap", &sandbox.split_whitespace().collect::<Vec<_>>())
}

fn shell(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).args(["-c", READY]);
    command
}

/// How long it takes until it says something, in milliseconds. Blocks.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn first_output(command: &mut Command) -> anyhow::Result<f64> {
    let program = command.get_program().to_string_lossy().into_owned();
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let mut byte = [0];
    let read = child.stdout.as_mut().context("a pipe")?.read(&mut byte)?;
    let took = millis(begun);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(read == 1 && output.status.success(), "{program}: {}: {}", output.status, said.trim());
    Ok(took)
}

/// How long it takes from its start to its end, in milliseconds. Blocks.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn whole(program: &str, args: &[&str]) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let status = Command::new(program).args(args).status();
    let status = status.with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(millis(begun))
}

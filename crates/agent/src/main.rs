//! The binary `agentd`. Without a command it is PID 1 of a sandbox; `exec`, `keep`, `open`, `put` and
//! `replace` are what it starts itself as, as the command user; `connect` is for commands; `bridge` and
//! `measure` are for an engine that can mount nothing.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::{fs, io};

use agent::trampoline::Call;
use agent::{AgentError, Config, bridge, drawing, measure, run};
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Signal, getpid, kill_process, set_dumpable_behavior, umask,
};
use tokio::task::LocalSet;

const USAGE: &str = "\
agentd is started by a sandbox, as its first process:
  agentd [--gateway SOCKET] [--steps DIR] [--workspace DIR]
For people and programs in a sandbox:
  agentd connect HOST PORT
                      connect standard input and output to a host, by the proxy
  agentd flow         print the flows of a task and a runbook as Mermaid drawings
  agentd --version";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(call) = Call::parse(&arguments) {
        return match call.run() {
            Ok(code) => ExitCode::from(code),
            Err((error, code)) => complain(&error, code),
        };
    }
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--version") => print(concat!("agentd ", env!("CARGO_PKG_VERSION"), "\n")),
        Some("bridge") => match bridge() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("bridge: {error}"), 1),
        },
        Some("measure") => match measure(&arguments[1..]) {
            Ok(bytes) => print(&format!("{bytes}\n")),
            Err(error) => complain(&format!("measure: {error}"), 1),
        },
        Some("flow") => match drawing() {
            Ok(text) => print(&text),
            Err(error) => complain(&error.to_string(), 1),
        },
        _ => match config(arguments) {
            Some(config) => serve(config),
            None => complain(USAGE, 2),
        },
    }
}

fn config(arguments: Vec<OsString>) -> Option<Config> {
    let mut config = Config::default();
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.into();
        match name.to_str()? {
            "--gateway" => config.gateway = value,
            "--steps" => config.steps = value,
            "--workspace" => config.workspace = value,
            _ => return None,
        }
    }
    Some(config)
}

fn serve(config: Config) -> ExitCode {
    match protect().and_then(|()| block_on(config)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => complain(&error.to_string(), 1),
        Err(error) => complain(&format!("start: {error}"), 1),
    }
}

/// Before the session key exists: commands of the same user must not trace or read this process.
/// That they cannot kill it is the kernel's promise to a PID 1 about every signal it does not handle.
/// With the first thread glibc begins to handle one, SETXID (33), for itself; its handler returns
/// at once unless the sender is this process, and nobody else can pretend to be that.
fn protect() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    umask(Mode::from_raw_mode(0o022));
    drop_handlers()
}

/// Rust handles SEGV and BUS, on a stack that overflows when both come at once, until each came
/// once that was no stack overflow. So they come now, from ourselves.
fn drop_handlers() -> io::Result<()> {
    for signal in [Signal::SEGV, Signal::BUS] {
        kill_process(getpid(), signal)?;
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
    match caught {
        Some("0000000000000000") => Ok(()),
        _ => Err(io::Error::other(format!("signals are handled that should not be: {caught:?}"))),
    }
}

fn block_on(config: Config) -> io::Result<Result<(), AgentError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(LocalSet::new().block_on(&runtime, run(config)))
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(error: &str, code: u8) -> ExitCode {
    // Standard error may be closed; there is nobody else to tell.
    drop(writeln!(io::stderr(), "agentd: {error}"));
    ExitCode::from(code)
}

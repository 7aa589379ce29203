//! `ts`: the command line of [`typescript`].

mod command;

use std::io::Write as _;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use command::{Command, USAGE};
use typescript::RunError;

/// What shells use for "command not found": there is no usable Node.
const EXIT_NO_NODE: u8 = 127;
/// A wrong command line.
const EXIT_USAGE: u8 = 2;

/// The compiler calls itself for every level of a source, and a sum of 20,000 terms has as many: the
/// usual 8 MiB are not enough. Memory is taken only as it is used.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    let compiler = thread::Builder::new().name("compiler".into()).stack_size(STACK_BYTES);
    match compiler.spawn(obey) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(error) => fail(&format!("ts: cannot start a thread: {error}"), 1),
    }
}

fn obey() -> ExitCode {
    let command = match Command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(problem) => return fail(&format!("ts: {problem}\n{USAGE}"), EXIT_USAGE),
    };
    match command {
        Command::Run(script) => match typescript::run(&script) {
            Ok(never) => match never {},
            Err(error @ RunError::Node(_)) => fail(&format!("ts: {error}"), EXIT_NO_NODE),
            Err(error) => fail(&error.to_string(), 1),
        },
        Command::Build { source, out } => match typescript::build(&source, &out) {
            Ok(undeclared) => hint(&undeclared),
            Err(error) => fail(&error.to_string(), 1),
        },
        Command::Transpile { file, path } => match typescript::transpile_file(&file, &path) {
            Ok(done) => say(&format!("{}\n{}", done.format.as_str(), done.code)),
            Err(error) => fail(&error.to_string(), 1),
        },
        Command::Version => say(concat!("ts ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Help => say(USAGE),
    }
}

/// Says what older Nodes need to run these modules, if there are any.
fn hint(undeclared: &[PathBuf]) -> ExitCode {
    if let Some(module) = undeclared.first() {
        eprintln!(
            "ts: note: Node before 20.19 and 22.7 runs {} only beneath a package.json with \
             \"type\": \"module\"",
            module.display()
        );
    }
    ExitCode::SUCCESS
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("ts: cannot write to stdout: {error}"), 1),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("{}", message.trim_end());
    ExitCode::from(code)
}

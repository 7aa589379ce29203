//! What has to be run for a block.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use protocol::shell::Start;
use runbook::{Program, Work};
use types::StepKind;

use super::environment::watched;
use super::{Environment, Place, errand, is_installed};
use crate::session::Config;

/// Runs the script `$0` in the same shell and leaves the exported environment in `$0.env`: at its
/// end, or in a trap when it exits before. `>|` and the absolute path work whatever the script did
/// to options and PATH; a script with an EXIT trap of its own hands on what it has when it ends.
const HAND_ON: &str = r#"trap '[ -s "$0.env" ] || /usr/bin/env -0 >|"$0.env" 2>/dev/null || :' EXIT
. "$0"
set -- "$?"
/usr/bin/env -0 >|"$0.env" 2>/dev/null || :
exit "$1""#;

/// Everything there is to know before a step starts.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) step: u32,
    /// Arguments of agentd, which becomes the command.
    pub(super) arguments: Vec<String>,
    pub(super) environment: Environment,
    pub(super) limit: Option<Duration>,
    /// The step's file: its script, or what its standard input is.
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
    pub(super) role: Role,
}

/// What the step's file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A script that hands on its environment.
    ShellScript,
    /// A script.
    Script,
    /// Standard input.
    Input,
}

impl Plan {
    pub(super) fn new(step: u32, work: &Work, place: &Place, config: &Config) -> Self {
        let extension = kind_extension(work);
        let path = config.steps.join(format!("{step}.{extension}"));
        let cwd = cwd(work, place, config);
        let mut environment = environment(place, &cwd);
        let (arguments, content, limit, role) = match work {
            Work::File { path, content } => {
                let root = workspace(config);
                let limit = Some(errand::PATIENCE);
                (vec!["put".into(), root, path.clone()], content.clone(), limit, Role::Input)
            }
            Work::Run { program, code, timeout_seconds, .. } => {
                let script = path.to_string_lossy();
                let home = if has_own_cwd(work) { cwd.clone() } else { workspace(config) };
                let mut arguments = vec!["exec".into(), cwd.clone(), home, lookup(*program, place)];
                arguments.extend(command(*program, step, &script, &cwd));
                if *program == Program::Python {
                    import_from(&cwd, &mut environment);
                }
                let limit = timeout_seconds.map(|seconds| Duration::from_secs(seconds.into()));
                (arguments, code.clone().into_bytes(), limit, role(*program))
            }
        };
        Self { step, arguments, environment, limit, path, content, role }
    }
}

impl Plan {
    /// A shell command that goes on in the background.
    pub(super) fn kept(step: u32, command: &str, place: &Place, config: &Config) -> Self {
        let script = config.steps.join(format!("{step}.sh"));
        let path = lookup(Program::Bash, place);
        let mut arguments = vec!["keep".into(), place.cwd.clone(), workspace(config), path];
        arguments.extend(BASH.map(str::to_owned));
        arguments.push(script.to_string_lossy().into_owned());
        let environment = environment(place, &place.cwd);
        let content = command.as_bytes().to_vec();
        Self {
            step,
            arguments,
            environment,
            limit: None,
            path: script,
            content,
            role: Role::Script,
        }
    }
}

/// A shell script that is none of the job's: agentd's arguments, and what it sees.
pub(super) fn service(script: &str, place: &Place, config: &Config) -> (Vec<String>, Environment) {
    let path = lookup(Program::Sh, place);
    let words = ["keep", &place.cwd, &workspace(config), &path, "sh", "-c", script];
    (words.map(str::to_owned).into(), environment(place, &place.cwd))
}

/// What a person runs: agentd's arguments, and what it sees.
pub(super) fn shell(start: &Start, place: &Place, config: &Config) -> (Vec<String>, Environment) {
    let (home, mut path) = (workspace(config), lookup(Program::Python, place));
    let mut command = start.command.clone();
    if command.is_empty() {
        path = lookup(Program::Bash, place);
        command.push(if is_installed("bash", &path) { "bash" } else { "sh" }.into());
    } else if command[0].contains('/') {
        path.clone_from(&home);
    }
    let mut environment = environment(place, &home);
    if let Some(terminal) = &start.terminal {
        environment = watched(environment, &terminal.kind);
    }
    let words = ["shell", &home, &home, &path].map(str::to_owned);
    (words.into_iter().chain(command).collect(), environment)
}

/// Fails with the first command that fails, reads nobody's settings.
const BASH: [&str; 5] = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];

fn environment(place: &Place, cwd: &str) -> Environment {
    let mut environment = place.environment.clone();
    environment.insert("PWD".into(), cwd.into());
    environment
}

fn workspace(config: &Config) -> String {
    config.workspace.to_string_lossy().into_owned()
}

/// Where a program is looked for. A command may have lost its PATH, which must not cost the steps
/// after it their shell; Python is first that of an environment that is active.
fn lookup(program: Program, place: &Place) -> String {
    let own = env::var("PATH").unwrap_or_default();
    let jobs = place.environment.get("PATH").map_or("", String::as_str);
    match program {
        Program::Python => format!("{jobs}:{own}"),
        _ => format!("{own}:{jobs}"),
    }
}

/// The step's kind, as it is reported.
pub(super) fn kind(work: &Work) -> StepKind {
    match work {
        Work::File { .. } => StepKind::File,
        Work::Run { program, .. } => match program {
            Program::Bash => StepKind::Bash,
            Program::Sh => StepKind::Sh,
            Program::Python => StepKind::Python,
            Program::TypeScript => StepKind::TypeScript,
            Program::JavaScript => StepKind::JavaScript,
        },
    }
}

/// Whether the block says itself where it runs.
pub(super) fn has_own_cwd(work: &Work) -> bool {
    matches!(work, Work::Run { cwd: Some(_), .. })
}

fn cwd(work: &Work, place: &Place, config: &Config) -> String {
    match work {
        Work::Run { cwd: Some(cwd), .. } => {
            config.workspace.join(cwd).to_string_lossy().into_owned()
        }
        Work::Run { .. } | Work::File { .. } => place.cwd.clone(),
    }
}

fn kind_extension(work: &Work) -> &'static str {
    match kind(work) {
        StepKind::Bash
        | StepKind::Sh
        | StepKind::Background
        | StepKind::Process
        | StepKind::Desktop => "sh",
        StepKind::Python => "py",
        StepKind::TypeScript => "ts",
        StepKind::JavaScript => "js",
        StepKind::File | StepKind::Read => "file",
    }
}

fn role(program: Program) -> Role {
    match program {
        Program::Bash | Program::Sh => Role::ShellScript,
        Program::Python | Program::TypeScript | Program::JavaScript => Role::Script,
    }
}

fn command(program: Program, step: u32, script: &str, cwd: &str) -> Vec<String> {
    let typescript = format!("{}/bin/ts", protocol::TOOLS);
    let extension = if program == Program::TypeScript { "ts" } else { "js" };
    let alias = format!("{cwd}/step-{step}.{extension}");
    let words = match program {
        Program::Bash => [&BASH[..], &["-c", HAND_ON, script]].concat(),
        Program::Sh => vec!["sh", "-e", "-c", HAND_ON, script],
        Program::Python => vec!["python3", "-u", script],
        Program::TypeScript | Program::JavaScript => {
            vec![&typescript, "run", "--as", &alias, script]
        }
    };
    words.into_iter().map(str::to_owned).collect()
}

/// Python looks beside the script first, where nothing is, and then here.
fn import_from(cwd: &str, environment: &mut Environment) {
    let path = match environment.get("PYTHONPATH") {
        Some(more) if !more.is_empty() => format!("{cwd}:{more}"),
        _ => cwd.to_owned(),
    };
    environment.insert("PYTHONPATH".into(), path);
}

//! `cagent completions`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::{Cli, CompletionsArgs};

/// The ids of jobs for bash, where no option was begun: `cagent ps` knows them.
const JOBS: &str = r#"
_cagent_jobs() {
    _cagent "$@"
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
    [[ $word == -* || $COMP_CWORD -lt 2 ]] && return
    case $command in
        status|logs|watch|diff|say|approve|attach|exec|open|vnc|cancel|resume|download|files|delete)
            local jobs
            jobs=$(cagent ps --limit 100 2>/dev/null | awk 'NR > 1 { print $1 }')
            COMPREPLY=($(compgen -W "$jobs" -- "$word"))
            ;;
    esac
}
complete -F _cagent_jobs -o nosort -o bashdefault -o default cagent
"#;

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let more = match args.shell {
        Shell::Bash => JOBS,
        Shell::Zsh | Shell::Fish => "",
        other => bail!("there is nothing for {other}; bash, zsh and fish are known"),
    };
    let mut script = vec![];
    generate(args.shell, &mut Cli::command(), "cagent", &mut script);
    script.extend_from_slice(more.as_bytes());
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

//! What went wrong, in the words of the command line.

use std::io::{ErrorKind, Write as _};

use api::{Code, Problem};
use jobs::OpenError;

use crate::text;

const A_KEY: &str = "set CAGENT_API_KEY to one that works; where the server runs, `cagent key create \
                     NAME` makes one";

/// Says something on standard error. It may be closed; there is nobody else to tell.
pub(crate) fn say(text: &str) {
    drop(writeln!(anstream::stderr(), "cagent: {}", text::plain(text)));
}

/// An error with its causes, none of them twice: many have the text of their cause in their own.
pub(crate) fn of(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    if is_of_another_user(error) {
        said += "; if it is another user's, such as root's, use the server that runs on it \
                 (--server 127.0.0.1:8000), or choose another --data-dir";
    }
    said
}

fn is_of_another_user(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(),
        Some(OpenError::Directory { source, .. }) if source.kind() == ErrorKind::PermissionDenied)
}

/// What the server refused, without the names of calls and fields that its clients know it by.
pub(crate) fn of_problem(problem: &Problem) -> String {
    let what = problem.detail.rsplit_once("; ").map_or(&*problem.detail, |(what, _)| what);
    let first = problem.detail.split("; ").next().unwrap_or_default();
    match problem.code {
        Code::UnknownJob => format!("{what}; `cagent ps` lists them"),
        Code::NotReady => format!("{what}; `cagent logs -f JOB` follows it"),
        Code::NotOver => format!("{first}; `cagent cancel JOB` stops it"),
        Code::NoSuchFile => format!("{first}; `cagent files JOB` lists what there is"),
        Code::JobOver => format!("{first}; `cagent download JOB` gets what it made"),
        // What follows says it again, for programs.
        Code::NoAgent => first.into(),
        Code::NotWaiting => format!("{first}; `cagent status JOB` says what it waits for"),
        Code::DiskFull => format!("{first}; `cagent delete JOB` makes room"),
        Code::UnknownKey => format!("{first}; `cagent key ls` lists them"),
        Code::KeyNeeded => format!("{first}; {A_KEY}"),
        Code::KeyRefused => format!("the server refused the key: {first}; {A_KEY}"),
        Code::EmptyPrompt => "the task is empty; say what to do, for example as a fenced bash \
                              block"
            .into(),
        _ => problem.detail.strip_prefix("prompt: ").unwrap_or(&problem.detail).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let source = io::Error::from_raw_os_error(30);
        let error = OpenError::Directory { path: "/x".into(), source };
        let text = of(&anyhow::Error::from(error).context("start"));
        assert_eq!(text.matches("(os error 30)").count(), 1, "{text}");
        assert!(text.starts_with("start: use the directory /x: "), "{text}");
    }

    #[test]
    fn who_may_not_use_a_directory_hears_what_else_to_do() {
        let source = io::Error::from(ErrorKind::PermissionDenied);
        let error = OpenError::Directory { path: "/var/lib/cagent".into(), source };
        let text = of(&Err::<(), _>(error).context("start").unwrap_err());
        assert!(text.contains("--server") && text.contains("--data-dir"), "{text}");
    }

    #[test]
    fn a_refusal_names_commands() {
        let said = |code, detail: &str| of_problem(&Problem::new(code, detail));
        let unknown = said(Code::UnknownJob, "there is no job 1, or …; GET /jobs lists them");
        assert_eq!(unknown, "there is no job 1, or …; `cagent ps` lists them");
        let early =
            said(Code::NotReady, "job 1 is running; its ZIP is there when it is over, see /v1/…");
        assert_eq!(early, "job 1 is running; `cagent logs -f JOB` follows it");
        let deaf =
            said(Code::JobOver, "the job is complete, and hears nothing any more; the job …");
        let cure = "`cagent download JOB` gets what it made";
        assert_eq!(deaf, format!("the job is complete, and hears nothing any more; {cure}"));
        assert_eq!(said(Code::NoModel, "prompt: this is plain"), "this is plain");
    }
}

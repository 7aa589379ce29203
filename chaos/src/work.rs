//! The kinds of jobs, and how each looks when nothing was done to it. Every step appends its number
//! to the file `ran` in the workspace: who ran twice is there twice.

use serde_json::{Value, json};
use types::{JobStatus, Reason};

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One step, over at once.
    Quick,
    /// Three steps that write now and then.
    Steady,
    /// A step that writes more than a pipe holds, at once.
    Chatty,
    /// Its second step fails, the third must not run.
    Failing,
    /// Leaves a process behind that wants to live on.
    Clinging,
    /// Goes on until somebody cancels it.
    Endless,
}

/// The file that every step appends its number to.
pub(crate) const RAN: &str = "ran";

const ALL: [Work; 6] =
    [Work::Quick, Work::Steady, Work::Chatty, Work::Failing, Work::Clinging, Work::Endless];

const CHATTY_LINES: usize = 20_000;

impl Work {
    pub(crate) fn any(rng: &mut fastrand::Rng) -> Self {
        ALL[rng.usize(..ALL.len())]
    }

    /// The body of `POST /schedule`.
    pub(crate) fn request(self, engine: &str, n: u64) -> Value {
        let blocks = (1..)
            .zip(self.commands())
            .map(|(step, command)| format!("```sh\necho {step} >>{RAN}\n{command}\n```\n\n"));
        let prompt = format!("# {self:?} {n}\n\n{}", blocks.collect::<String>());
        json!({ "mode": "runbook", "prompt": prompt, "engine": engine })
    }

    /// How it ends if nobody hinders it.
    pub(crate) fn end(self) -> (JobStatus, Reason) {
        match self {
            Self::Failing => (JobStatus::Error, Reason::StepFailed),
            Self::Endless => (JobStatus::Cancelled, Reason::Cancelled),
            Self::Quick | Self::Steady | Self::Chatty | Self::Clinging => {
                (JobStatus::Complete, Reason::Finished)
            }
        }
    }

    /// Its whole standard output, if nobody hinders it.
    pub(crate) fn stdout(self) -> String {
        let lines = |step, count| (1..=count).map(move |i| format!("{step} {i}\n"));
        match self {
            Self::Quick | Self::Clinging => "1 1\n".into(),
            Self::Steady => (1..=3).flat_map(|step| lines(step, 5)).collect(),
            Self::Chatty => lines(1, CHATTY_LINES).collect(),
            Self::Failing => "1 1\n2 1\n".into(),
            Self::Endless => lines(1, 100_000).collect(),
        }
    }

    /// What its steps note of themselves, if nobody hinders it.
    pub(crate) fn ran(self) -> &'static str {
        match self {
            Self::Quick | Self::Chatty | Self::Clinging | Self::Endless => "1\n",
            Self::Steady => "1\n2\n3\n",
            Self::Failing => "1\n2\n",
        }
    }

    fn commands(self) -> Vec<String> {
        let slowly = |step, count: u32, pause| {
            format!("for i in $(seq {count}); do echo {step} $i; sleep {pause}; done")
        };
        match self {
            Self::Quick => vec!["echo 1 1".into()],
            Self::Steady => (1..=3).map(|step| slowly(step, 5, "0.05")).collect(),
            Self::Chatty => {
                vec![format!("seq {CHATTY_LINES} | sed 's/^/1 /'; head -c 300000 /dev/zero >zeros")]
            }
            Self::Failing => ["echo 1 1", "echo 2 1; exit 3", "echo 3 1"].map(Into::into).into(),
            Self::Clinging => vec!["setsid sleep 1000 & echo 1 1".into()],
            Self::Endless => vec![slowly(1, 100_000, "0.05")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_runbooks() {
        for work in ALL {
            let request = work.request("local", 1);
            let prompt = request["prompt"].as_str().unwrap();
            assert_eq!(prompt.matches("```sh").count(), work.commands().len());
            assert!(work.ran().lines().count() <= work.commands().len());
        }
    }
}

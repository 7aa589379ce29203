//! How a job ended, as a line for people.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use types::{Ending, JobStatus};

use super::{BAD, GOOD, ODD, Progress};
use crate::text;

impl<W: Write> Progress<W> {
    pub(super) fn ended(&mut self, ending: &Ending, at: Timestamp) -> io::Result<()> {
        let style = match ending.status {
            JobStatus::Complete => GOOD,
            JobStatus::Cancelled => ODD,
            _ => BAD,
        };
        if let Some(error) = ending.error.as_ref().filter(|_| ending.status == JobStatus::Error) {
            self.line(format_args!("{}", text::plain(error).trim_end()))?;
        }
        let took = self.began.and_then(|began| Duration::try_from(at.duration_since(began)).ok());
        let took = took.map(|took| format!(", {}", text::took(took))).unwrap_or_default();
        let packed = self.packed.take().unwrap_or_else(|| "no ZIP".into());
        let (how, spent) = (self.how(ending), self.asked.spent());
        self.line(format_args!("{style}{}{style:#}{how}{took}{spent}: {packed}", ending.status))
    }

    /// What there is to say beside a job's last status.
    fn how(&self, ending: &Ending) -> String {
        match (ending.status, self.verified) {
            (JobStatus::Error, _) => format!(" ({})", text::word(&ending.reason)),
            (JobStatus::Complete, Some(true)) => ", verified".into(),
            (JobStatus::Complete, Some(false)) => ", not verified".into(),
            _ => String::new(),
        }
    }
}

/// What a ZIP has in it.
pub(super) fn packed(files: u64, bytes: u64, left_out: u64) -> String {
    let all = format!("{}, {}", text::count(files, "file"), text::size(bytes));
    match left_out {
        0 => all,
        _ => format!("{all}, {left_out} left out (see .cagent/manifest.json in it)"),
    }
}

#[cfg(test)]
mod tests {
    use types::{EventKind, Reason};

    use super::super::tests::shown;
    use super::*;

    #[test]
    fn what_was_left_out_is_said() {
        assert_eq!(packed(1, 100, 0), "1 file, 100 bytes");
        let text = packed(2, 100, 5);
        assert_eq!(text, "2 files, 100 bytes, 5 left out (see .cagent/manifest.json in it)");
    }

    #[test]
    fn a_job_that_failed_says_why() {
        let ending = Ending::error(Reason::StepFailed, "step 1 failed\x1b[2J");
        let text = shown(vec![EventKind::Ended { ending }]);
        assert_eq!(text, "step 1 failed\nerror (step_failed): no ZIP\n");
    }
}

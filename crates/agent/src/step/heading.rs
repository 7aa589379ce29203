//! How a step is announced, approved and concluded, whatever it does.

use std::borrow::Cow;
use std::time::Instant;

use protocol::{Decision, ReportKind};
use runbook::{Block, Work};
use tokio_util::sync::CancellationToken;
use types::{StepKind, StepOutcome, Waiting};

use super::{Ran, Runner, StepError, plan};

/// The longest code that is reported, in bytes as JSON: with its report it fits into a batch.
const MAX_CODE_BYTES: usize = protocol::MAX_BATCH_BYTES / 2;

/// What is told about a step before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    kind: StepKind,
    title: String,
    line: u32,
    code: Option<String>,
    /// What a person is shown who is to approve it; `None` if there is nothing to approve.
    asked: Option<String>,
}

impl Heading {
    /// Of a runbook's block, whose code everybody has who does not have to approve it.
    pub(super) fn of(block: &Block) -> Self {
        let code = match &block.work {
            Work::Run { code, .. } => Cow::Borrowed(&**code),
            Work::File { content, .. } => String::from_utf8_lossy(content),
        };
        let (kind, title) = (plan::kind(&block.work), block.title.clone());
        Self { kind, title, line: block.line, code: None, asked: Some(beginning(&code)) }
    }

    /// Of an agent's step, with what it runs, or the whole content of the file it writes.
    pub(crate) fn new(kind: StepKind, title: impl Into<String>, code: Option<&str>) -> Self {
        let asked = Some(code.map(beginning).unwrap_or_default());
        let code = code.filter(|code| fits(code)).map(str::to_owned);
        Self { kind, title: title.into(), line: 0, code, asked }
    }

    /// Shows something else to a person who is to approve it.
    pub(crate) fn asking(self, asked: &str) -> Self {
        Self { asked: Some(beginning(asked)), ..self }
    }

    /// Of a step that does nothing, such as one that cannot be done.
    pub(crate) fn unasked(kind: StepKind, title: impl Into<String>) -> Self {
        Self { asked: None, ..Self::new(kind, title, None) }
    }
}

impl Runner {
    /// Does a step's work between the reports of its beginning and its end, if a person approves
    /// where they are to. Without work done there is nothing to give back.
    pub(crate) async fn around<T>(
        &self,
        step: u32,
        heading: Heading,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<(Ran, T), StepError>>,
    ) -> Result<(Ran, Option<T>), StepError> {
        let decision = self.decision(step, &heading, cancel).await;
        let Heading { kind, title, line, code, .. } = heading;
        self.outbox.push(ReportKind::StepStarted { step, kind, title, line, code }).await;
        let began = Instant::now();
        let done = match decision {
            Decision::Rejected(reason) => Ok((Ran::rejected(reason), None)),
            // Nothing is begun that the orchestrator has not recorded: so nothing can run twice.
            Decision::Approved => tokio::select! {
                biased;
                () = cancel.cancelled() => Ok((Ran::without_running(StepOutcome::Cancelled), None)),
                () = self.outbox.settled() => work.await.map(|(ran, made)| (ran, Some(made))),
            },
        };
        let (outcome, exit_code) = done
            .as_ref()
            .map_or((StepOutcome::Failed, None), |(ran, _)| (ran.outcome, ran.exit_code));
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.outbox.push(ReportKind::StepFinished { step, outcome, exit_code, millis }).await;
        done
    }

    /// What a person says, if one is asked; a job that is cancelled meanwhile runs nothing anyway.
    async fn decision(&self, step: u32, heading: &Heading, cancel: &CancellationToken) -> Decision {
        let (Some(inbox), Some(asked)) = (&self.approve, &heading.asked) else {
            return Decision::Approved;
        };
        let Heading { kind, title, .. } = heading.clone();
        let code = Some(asked.clone()).filter(|asked| !asked.is_empty());
        let waiting = Waiting::Approval { step, kind, title, code };
        self.outbox.push(ReportKind::Waiting { waiting }).await;
        tokio::select! {
            biased;
            () = cancel.cancelled() => Decision::Approved,
            decision = inbox.decision(step) => decision,
        }
    }
}

/// As much as can be reported; what is missing is named.
fn beginning(code: &str) -> String {
    if fits(code) {
        return code.to_owned();
    }
    let shown = &code[..code.floor_char_boundary(MAX_CODE_BYTES / 8)];
    format!("{shown}\n[… and {} more bytes]", code.len() - shown.len())
}

fn fits(code: &str) -> bool {
    // Nothing in JSON is longer than `\u0000` for one byte.
    code.len() <= MAX_CODE_BYTES / 6
        || serde_json::to_string(code).is_ok_and(|json| json.len() <= MAX_CODE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_fit_into_a_report_is_left_out() {
        let code = |text: &str| Heading::new(StepKind::File, "f", Some(text)).code.is_some();
        assert!(code(&"x".repeat(MAX_CODE_BYTES - 2)));
        assert!(!code(&"x".repeat(MAX_CODE_BYTES)));
        assert!(!code(&"\u{1}".repeat(MAX_CODE_BYTES / 5)));
    }

    #[test]
    fn a_person_is_shown_the_beginning_of_what_is_too_long() {
        for code in ["x".repeat(MAX_CODE_BYTES), "\u{1}".repeat(MAX_CODE_BYTES)] {
            let asked = Heading::new(StepKind::File, "f", Some(&code)).asked.unwrap();
            assert!(fits(&asked) && asked.len() > MAX_CODE_BYTES / 8);
            let (shown, rest) = asked.split_once("\n[… and ").unwrap();
            assert_eq!(rest, format!("{} more bytes]", code.len() - shown.len()));
        }
    }
}

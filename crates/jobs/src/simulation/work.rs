//! What an agent does: its plan, act by act, with the manners of agentd's steps.

use std::time::Duration;

use protocol::{Data, Decision, Inbox, MAX_OUTBOX_BYTES, Outbox, ReportKind, Verdict};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::{JobResult, NoticeLevel, StepKind, StepOutcome, Stream, Waiting};

use super::agent::Link;
use super::faults::Flaw;
use super::judge;
use super::plan::{Act, Step};

pub(super) struct Agent<'a> {
    pub(super) link: &'a Link,
    pub(super) outbox: &'a Outbox,
    pub(super) inbox: &'a Inbox,
    pub(super) cancel: &'a CancellationToken,
}

impl Agent<'_> {
    pub(super) async fn work(&self) {
        let (world, job) = (&self.link.world, self.link.job);
        let plan = world.row(job).plan.clone();
        let mut verdict = Verdict::Complete;
        let mut steps = 0;
        for act in plan.acts {
            if let Err(end) = self.act(act, &mut steps).await {
                verdict = end;
                break;
            }
            self.listen();
        }
        if plan.thinks && verdict == Verdict::Complete {
            self.report(ReportKind::Result { result: JobResult::default() }).await;
        }
        self.report(ReportKind::Finished(verdict)).await;
        self.outbox.settled().await;
        world.facts(job).settled = true;
        judge::settled(world, job);
    }

    async fn act(&self, act: Act, steps: &mut u32) -> Result<(), Verdict> {
        if self.cancel.is_cancelled() {
            return Err(Verdict::Cancelled);
        }
        match act {
            Act::Step(step) => {
                *steps += 1;
                self.step(*steps, &step).await?;
            }
            Act::Notice(size) => {
                let text = format!("{} {}", self.link.world.number(), "x".repeat(size));
                self.report(ReportKind::Notice { level: NoticeLevel::Info, text }).await;
            }
            Act::Ask => {
                let answered = tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return Err(Verdict::Cancelled),
                    answered = self.link.ask() => answered,
                };
                if !answered.unwrap_or(false) {
                    let (reason, error) = (types::Reason::LimitModelCalls, "spent".into());
                    return Err(Verdict::GaveUp { reason, error });
                }
            }
            Act::Listen => {
                while self.link.world.facts(self.link.job).heard.is_empty() {
                    self.wait(20).await?;
                    self.listen();
                }
            }
            Act::Hang => {
                self.cancel.cancelled().await;
                return Err(Verdict::Cancelled);
            }
        }
        Ok(())
    }

    /// As agentd's runner does a step: nothing is begun that was not recorded.
    async fn step(&self, step: u32, what: &Step) -> Result<(), Verdict> {
        let approved = !what.approve || self.is_approved(step).await;
        let kind = StepKind::Bash;
        let (title, line, code) = (String::new(), 0, None);
        self.report(ReportKind::StepStarted { step, kind, title, line, code }).await;
        let recorded = async {
            if !self.link.world.has(Flaw::BeginsUnrecorded) {
                self.outbox.settled().await;
            }
        };
        let outcome = tokio::select! {
            biased;
            () = self.cancel.cancelled() => StepOutcome::Cancelled,
            () = recorded => if approved {
                self.run(step, what).await
            } else {
                StepOutcome::Rejected
            },
        };
        let exit_code = (outcome != StepOutcome::Cancelled).then_some(what.exit_code);
        self.report(ReportKind::StepFinished { step, outcome, exit_code, millis: 1 }).await;
        match outcome {
            StepOutcome::Cancelled => Err(Verdict::Cancelled),
            StepOutcome::Failed => {
                let (exit_code, error) = (what.exit_code, "failed".into());
                Err(Verdict::StepFailed { step, exit_code, error })
            }
            _ => Ok(()),
        }
    }

    async fn is_approved(&self, step: u32) -> bool {
        let (kind, title, code) = (StepKind::Bash, String::new(), None);
        let waiting = Waiting::Approval { step, kind, title, code };
        self.report(ReportKind::Waiting { waiting }).await;
        let decision = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return true,
            decision = self.inbox.decision(step) => decision,
        };
        let approved = decision == Decision::Approved;
        self.link.world.facts(self.link.job).decisions.insert(step, approved);
        approved
    }

    async fn run(&self, step: u32, what: &Step) -> StepOutcome {
        judge::begins(&self.link.world, self.link.job, step);
        for (stream, size) in &what.output {
            if self.wait(what.pause).await.is_err() {
                return StepOutcome::Cancelled;
            }
            self.write(step, *stream, *size).await;
        }
        if what.exit_code == 0 { StepOutcome::Ok } else { StepOutcome::Failed }
    }

    async fn write(&self, step: u32, stream: Stream, size: usize) {
        let mut bytes = vec![0; size];
        {
            let world = &self.link.world;
            bytes.fill_with(|| world.dice().u8(..));
            let mut facts = world.facts(self.link.job);
            facts.produced[usize::from(stream == Stream::Stderr)].extend(&bytes);
        }
        self.outbox.push(ReportKind::Output { step, stream, data: Data(bytes) }).await;
        self.count(size);
    }

    async fn report(&self, report: ReportKind) {
        let size = match &report {
            ReportKind::Notice { text, .. } => text.len(),
            _ => 0,
        };
        if let Some(signature) = judge::sign_report(&report) {
            self.link.world.facts(self.link.job).reported.push(signature);
        }
        self.outbox.push(report).await;
        self.count(size);
    }

    /// What the outbox holds is bounded.
    fn count(&self, size: usize) {
        let mut sizes = self.link.sizes.borrow_mut();
        sizes.push(size);
        let held = &sizes[sizes.len().min(self.link.acked.get() as usize)..];
        if held.len() > 1 && held.iter().sum::<usize>() > MAX_OUTBOX_BYTES {
            self.link.world.is_wrong("the outbox holds too much");
        }
    }

    fn listen(&self) {
        let heard = self.inbox.messages();
        self.link.world.facts(self.link.job).heard.extend(heard);
    }

    async fn wait(&self, millis: u64) -> Result<(), Verdict> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Verdict::Cancelled),
            () = sleep(Duration::from_millis(millis)) => Ok(()),
        }
    }
}

//! A job while it runs: shows what happens, and passes on what a person at the terminal wants.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use api::Code;
use tokio::signal::unix::SignalKind;
use tokio::time::{MissedTickBehavior, interval, sleep};
use types::{Event, EventKind, JobId, Waiting};

use super::ask::{self, Answer, Question};
use crate::args::Format;
use crate::client::{Client, Refused};
use crate::complaint;
use crate::follow::{Follow, Next};
use crate::job_name;
use crate::place::Place;
use crate::progress::Progress;
use crate::signals::Signals;

/// How long a job may stay in the queue before we say so.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

/// How often a line that counts seconds is written anew.
const TICK: Duration = Duration::from_secs(1);

/// How following a job ended.
#[derive(Debug)]
pub(super) struct Seen {
    /// Whether the job is over, as far as we know.
    pub(super) ended: bool,
    /// Why it was cancelled, if by us.
    pub(super) signal: Option<SignalKind>,
}

/// Shows a job's events until it ends. Ctrl-C and the like cancel the job, which then ends in good
/// order; a second one leaves it to itself.
pub(super) async fn follow(
    place: &mut Place,
    job: JobId,
    mut signals: Signals,
    format: Format,
) -> anyhow::Result<Seen> {
    let mut live = Live::begin(job, format)?;
    let mut events = Follow::new(job);
    let mut patience = pin!(sleep(QUEUE_PATIENCE));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        live.cancel(place.client()).await;
        tokio::select! {
            next = events.try_next(place) => match next? {
                Next::Event(event) => live.event(&event)?,
                Next::Lost => {
                    live.lost();
                    place.again().await?;
                }
                Next::End => return Ok(Seen { ended: true, signal: live.signal }),
            },
            kind = signals.recv() => {
                if live.is_enough(kind)? {
                    complaint::say("left; the job is still being cancelled");
                    return Ok(Seen { ended: false, signal: live.signal });
                }
            }
            line = ask::line(live.question.as_ref()) => live.answer(line?, place.client()).await?,
            () = &mut patience, if live.queued => live.queued()?,
            _ = ticks.tick(), if live.thinks() => live.tick()?,
        }
    }
}

/// What is shown, and what was asked.
struct Live {
    job: JobId,
    /// None if nobody reads.
    progress: Option<Progress<anstream::Stdout>>,
    at_terminal: bool,
    question: Option<Question>,
    /// Whether it was said that others must decide.
    told_nobody: bool,
    queued: bool,
    signal: Option<SignalKind>,
    /// Whether the server knows that the job is to be cancelled.
    cancelled: bool,
}

impl Live {
    fn begin(job: JobId, format: Format) -> io::Result<Self> {
        let progress = match format {
            Format::Text => Some(Progress::begin(anstream::stdout(), job)?),
            Format::Json => None,
        };
        Ok(Self {
            job,
            progress,
            at_terminal: io::stdout().is_terminal(),
            question: None,
            told_nobody: false,
            queued: true,
            signal: None,
            cancelled: false,
        })
    }

    /// Says what nothing else could mean. A server that is away just now is told when it is found
    /// again.
    async fn cancel(&mut self, client: &Client) {
        if self.signal.is_some() && !self.cancelled {
            self.cancelled = client.cancel(self.job).await.is_ok();
        }
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.queued &= matches!(event.event, EventKind::Scheduled { .. });
        let gone = self.question.take_if(|question| question.is_over(&event.event));
        if let Some(progress) = &mut self.progress {
            progress.event(event)?;
        }
        match (&event.event, gone) {
            (EventKind::Waiting { waiting }, _) => self.ask(waiting),
            (EventKind::Decided { step, .. }, Some(_)) => {
                self.progress.as_mut().map_or(Ok(()), |progress| progress.decided_elsewhere(*step))
            }
            _ => self.ask_again(),
        }
    }

    fn ask(&mut self, waiting: &Waiting) -> io::Result<()> {
        let Waiting::Approval { step, .. } = waiting;
        if self.progress.is_none() || !ask::somebody() {
            return self.nobody("no terminal");
        }
        self.question = Some(Question::about(*step)?);
        self.ask_again()
    }

    /// What was told meanwhile stands below the question.
    fn ask_again(&mut self) -> io::Result<()> {
        match (&mut self.progress, &self.question) {
            (Some(progress), Some(question)) => progress.ask(question.step),
            _ => Ok(()),
        }
    }

    fn nobody(&mut self, why: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.told_nobody, true) {
            return Ok(());
        }
        let Some(progress) = &mut self.progress else {
            let job = job_name::short(self.job);
            complaint::say(&format!("{why}: waiting for `cagent approve {job}`"));
            return Ok(());
        };
        progress.nobody(why)
    }

    /// Passes an answer on; none if they closed the terminal.
    async fn answer(&mut self, line: Option<String>, client: &Client) -> io::Result<()> {
        let (Some(step), Some(line)) = (self.question.as_ref().map(|q| q.step), line) else {
            self.question = None;
            self.told_nobody = false;
            return self.nobody("no answer");
        };
        self.progress.as_mut().into_iter().for_each(Progress::typed);
        let why = match ask::meant(&line) {
            None => return self.ask_again(),
            Some(Answer::Yes) => None,
            Some(Answer::No(why)) => Some(why),
        };
        let Err(error) = client.decide(self.job, step, why.as_deref()).await else {
            self.question = None;
            return Ok(());
        };
        match error.downcast_ref() {
            Some(Refused(problem)) if problem.code == Code::NotWaiting => {
                self.question = None;
                complaint::say(&format!("too late: step {step} was decided elsewhere"));
                Ok(())
            }
            _ => {
                complaint::say(&complaint::of(&error));
                self.ask_again()
            }
        }
    }

    /// A signal came; whether it is one too many.
    fn is_enough(&mut self, kind: SignalKind) -> io::Result<bool> {
        self.question = None;
        // The loss of a terminal is told more than once, and nobody reads any more.
        if kind == SignalKind::hangup() {
            self.progress = None;
        } else if self.signal.is_some() {
            return Ok(true);
        } else if self.at_terminal && kind == SignalKind::interrupt() {
            self.progress.as_mut().map_or(Ok(()), Progress::interrupted)?;
        }
        self.signal.get_or_insert(kind);
        Ok(false)
    }

    fn queued(&mut self) -> io::Result<()> {
        self.queued = false;
        self.progress.as_mut().map_or(Ok(()), Progress::waiting)
    }

    fn thinks(&self) -> bool {
        self.at_terminal && self.progress.as_ref().is_some_and(Progress::thinks)
    }

    fn tick(&mut self) -> io::Result<()> {
        self.progress.as_mut().map_or(Ok(()), Progress::tick)
    }

    fn lost(&mut self) {
        self.progress.as_mut().into_iter().for_each(Progress::lost);
    }
}

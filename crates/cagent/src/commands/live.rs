//! A job while it runs: shows what happens, and passes on what a person at the terminal wants.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use api::Code;
use tokio::signal::unix::SignalKind;
use tokio::time::{MissedTickBehavior, interval, sleep};
use types::{Event, EventKind, JobId, Waiting};

use super::ask::{self, Answer, Question};
use super::leave::{self, Choice, Leave};
use crate::args::Format;
use crate::client::{Client, Refused};
use crate::complaint;
use crate::follow::{Follow, Next};
use crate::job_name;
use crate::place::Place;
use crate::progress::view::View;
use crate::signals::Signals;

/// How long a job may stay in the queue before we say so.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

/// How often what counts seconds is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// How following a job ended.
#[derive(Debug)]
pub(super) struct Seen {
    /// Whether the job is over, as far as we know.
    pub(super) ended: bool,
    /// Whether they chose to leave it to itself.
    pub(super) left: bool,
    /// Why it was cancelled, if by us.
    pub(super) signal: Option<SignalKind>,
}

/// Shows a job's events until it ends. Ctrl-C at a terminal asks what is meant by it; else it and the
/// like cancel the job, which then ends in good order; a second one leaves it to itself.
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
                Next::End => return Ok(live.seen(true)),
            },
            kind = signals.recv() => {
                if live.is_enough(kind)? {
                    live.clear()?;
                    complaint::say("left; the job is still being cancelled");
                    return Ok(live.seen(false));
                }
            }
            choice = leave::choice(live.leave.as_ref()) => {
                if live.chose(choice?, place.is_own())? {
                    return Ok(live.seen(false));
                }
            }
            line = ask::line(live.question.as_ref().filter(|_| live.leave.is_none())) => live.answer(line?, place.client()).await?,
            () = &mut patience, if live.queued => live.queued()?,
            _ = ticks.tick(), if live.moves() => live.tick()?,
        }
    }
}

/// What is shown, and what was asked.
struct Live {
    job: JobId,
    /// None if nobody reads.
    progress: Option<View>,
    at_terminal: bool,
    question: Option<Question>,
    /// What Ctrl-C means is asked.
    leave: Option<Leave>,
    left: bool,
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
            Format::Text => Some(View::begin(job)?),
            Format::Json => None,
        };
        Ok(Self {
            job,
            progress,
            at_terminal: io::stdout().is_terminal(),
            question: None,
            leave: None,
            left: false,
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
            // It is shown nowhere, and comes every second.
            (EventKind::Usage { .. }, _) => Ok(()),
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
        match (&mut self.progress, self.question.as_ref().filter(|_| self.leave.is_none())) {
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
        self.progress.as_mut().into_iter().for_each(View::typed);
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
        if self.asks(kind)? {
            return Ok(false);
        }
        self.stop_asking()?;
        self.question = None;
        // The loss of a terminal is told more than once, and nobody reads any more.
        if kind == SignalKind::hangup() {
            self.progress = None;
        } else if self.signal.is_some() {
            return Ok(true);
        } else if self.at_terminal && kind == SignalKind::interrupt() {
            self.progress.as_mut().map_or(Ok(()), View::interrupted)?;
        }
        self.signal.get_or_insert(kind);
        Ok(false)
    }

    fn queued(&mut self) -> io::Result<()> {
        self.queued = false;
        self.progress.as_mut().map_or(Ok(()), View::waiting)
    }

    fn moves(&self) -> bool {
        self.progress.as_ref().is_some_and(View::moves)
    }

    fn tick(&mut self) -> io::Result<()> {
        self.progress.as_mut().map_or(Ok(()), View::tick)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.progress.as_mut().map_or(Ok(()), View::clear)
    }

    fn seen(&self, ended: bool) -> Seen {
        Seen { ended, left: self.left, signal: self.signal }
    }

    /// Asks what Ctrl-C means, where that can be; the same again is an answer.
    fn asks(&mut self, kind: SignalKind) -> io::Result<bool> {
        let first =
            kind == SignalKind::interrupt() && self.signal.is_none() && self.leave.is_none();
        let Some(view) = self.progress.as_mut().filter(|_| first && ask::somebody()) else {
            return Ok(false);
        };
        // Before the question is seen: a key that answers it is not thrown away.
        let leave = Leave::ask()?;
        if view.question(Some(leave::QUESTION))? {
            self.leave = Some(leave);
        }
        Ok(self.leave.is_some())
    }

    fn stop_asking(&mut self) -> io::Result<()> {
        let asked = self.leave.take().is_some();
        let view = self.progress.as_mut().filter(|_| asked);
        view.map_or(Ok(()), |view| view.question(None).map(drop))
    }

    /// Does what was chosen; whether that is to leave.
    fn chose(&mut self, choice: Choice, own: bool) -> io::Result<bool> {
        self.stop_asking()?;
        match choice {
            Choice::Detach => {
                self.clear()?;
                self.left = true;
                leave::say(self.job, own);
            }
            Choice::Cancel => self.signal = Some(SignalKind::interrupt()),
            Choice::GoOn => self.ask_again()?,
        }
        Ok(self.left)
    }

    fn lost(&mut self) {
        self.progress.as_mut().into_iter().for_each(View::lost);
    }
}

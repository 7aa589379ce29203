//! What is on the screen, and what keys do to it.

use api::JobSummary;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use types::{Event, EventKind, JobId, StepOutcome, Waiting};

use crate::progress::board::Board;
use crate::progress::row::Row;

/// The most steps that are kept of a job.
const STEPS: usize = 1000;

/// What there is to see.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Newest first.
    pub(crate) jobs: Vec<JobSummary>,
    selected: Option<JobId>,
    pub(crate) open: Option<OpenJob>,
    pub(crate) asks: Option<Asks>,
    /// What the last wish came to, or why nothing comes any more.
    pub(crate) said: String,
}

/// The job that is looked at.
#[derive(Debug)]
pub(crate) struct OpenJob {
    pub(crate) job: JobId,
    pub(crate) board: Board,
    /// The steps that are over.
    pub(crate) steps: Vec<Row>,
    pub(crate) waiting: Option<Waiting>,
}

/// What is asked at the bottom of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Cancel,
    Say(String),
    Reject(String),
}

/// What somebody wants done that is not the screen's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Leave,
    Follow(JobId),
    Unfollow,
    Cancel(JobId),
    Say(JobId, String),
    Approve(JobId, u32),
    Reject(JobId, u32, String),
    Download(JobId),
    Desktop(JobId),
}

impl State {
    pub(crate) fn with(job: Option<JobId>) -> Self {
        let open = job.map(OpenJob::new);
        Self { open, selected: job, ..Self::default() }
    }

    /// The list is this now; what is selected stays selected.
    pub(crate) fn list(&mut self, jobs: Vec<JobSummary>) {
        let at = self.at();
        self.jobs = jobs;
        let gone = !self.jobs.iter().any(|job| Some(job.job_id) == self.selected);
        if gone && self.open.is_none() {
            let last = self.jobs.len().saturating_sub(1);
            self.selected = self.jobs.get(at.min(last)).map(|job| job.job_id);
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        if let Some(open) = &mut self.open {
            open.event(event);
        }
    }

    /// Which line of the list is selected.
    pub(crate) fn at(&self) -> usize {
        self.jobs.iter().position(|job| Some(job.job_id) == self.selected).unwrap_or(0)
    }

    /// The job that keys are about.
    pub(crate) fn job(&self) -> Option<JobId> {
        self.open.as_ref().map(|open| open.job).or(self.selected)
    }

    fn waits(&self) -> Option<(JobId, u32)> {
        let job = self.job()?;
        let listed = self.jobs.iter().find(|line| line.job_id == job);
        let waiting = match &self.open {
            Some(open) => open.waiting.as_ref(),
            None => listed.and_then(|line| line.waiting.as_ref()),
        };
        let Waiting::Approval { step, .. } = waiting?;
        Some((job, *step))
    }

    /// What a key does.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return matches!(key.code, KeyCode::Char('c')).then_some(Wish::Leave);
        }
        self.said.clear();
        match self.asks.take() {
            Some(asks) => self.answer(asks, key.code),
            None => self.command(key.code),
        }
    }

    fn command(&mut self, key: KeyCode) -> Option<Wish> {
        let job = self.job();
        match key {
            KeyCode::Char('q') => return Some(Wish::Leave),
            KeyCode::Char('j') | KeyCode::Down => self.step(1),
            KeyCode::Char('k') | KeyCode::Up => self.step(-1),
            KeyCode::PageDown => self.step(20),
            KeyCode::PageUp => self.step(-20),
            KeyCode::Char('g') | KeyCode::Home => self.step(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.step(isize::MAX),
            KeyCode::Enter if self.open.is_none() => {
                self.open = job.map(OpenJob::new);
                return job.map(Wish::Follow);
            }
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left if self.open.is_some() => {
                self.open = None;
                return Some(Wish::Unfollow);
            }
            KeyCode::Char('c') => self.asks = job.map(|_| Asks::Cancel),
            KeyCode::Char('s') => self.asks = job.map(|_| Asks::Say(String::new())),
            KeyCode::Char('a') => match self.waits() {
                Some((job, step)) => return Some(Wish::Approve(job, step)),
                None => self.said = "it waits for nothing".into(),
            },
            KeyCode::Char('r') => match self.waits() {
                Some(_) => self.asks = Some(Asks::Reject(String::new())),
                None => self.said = "it waits for nothing".into(),
            },
            KeyCode::Char('d') => return job.map(Wish::Download),
            KeyCode::Char('o') => return job.map(Wish::Desktop),
            _ => {}
        }
        None
    }

    fn answer(&mut self, asks: Asks, key: KeyCode) -> Option<Wish> {
        let (text, again): (String, fn(String) -> Asks) = match asks {
            Asks::Cancel => {
                let yes = key == KeyCode::Char('y');
                return self.job().filter(|_| yes).map(Wish::Cancel);
            }
            Asks::Say(text) => (text, Asks::Say),
            Asks::Reject(text) => (text, Asks::Reject),
        };
        match edited(text, key)? {
            Edited::Open(text) => {
                self.asks = Some(again(text));
                None
            }
            Edited::Done(text) if text.trim().is_empty() => None,
            Edited::Done(text) => match again(String::new()) {
                Asks::Reject(_) => self.waits().map(|(job, step)| Wish::Reject(job, step, text)),
                _ => self.job().map(|job| Wish::Say(job, text)),
            },
        }
    }

    fn step(&mut self, by: isize) {
        let last = self.jobs.len().saturating_sub(1);
        let at = self.at().saturating_add_signed(by).min(last);
        if self.open.is_none() {
            self.selected = self.jobs.get(at).map(|job| job.job_id);
        }
    }
}

/// A line that is typed.
enum Edited {
    Open(String),
    Done(String),
}

/// None if they thought better of it.
fn edited(mut text: String, key: KeyCode) -> Option<Edited> {
    match key {
        KeyCode::Esc => return None,
        KeyCode::Enter => return Some(Edited::Done(text)),
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char(c) => text.push(c),
        _ => {}
    }
    Some(Edited::Open(text))
}

impl OpenJob {
    fn new(job: JobId) -> Self {
        Self { job, board: Board::default(), steps: vec![], waiting: None }
    }

    fn event(&mut self, event: &Event) {
        match &event.event {
            EventKind::StepFinished { outcome, exit_code, millis, .. } => {
                self.finished(*outcome, *exit_code, *millis);
            }
            EventKind::Waiting { waiting } => self.waiting = Some(waiting.clone()),
            EventKind::Decided { .. } | EventKind::Packaging | EventKind::Ended { .. } => {
                self.waiting = None;
            }
            _ => {}
        }
        self.board.event(event);
    }

    fn finished(&mut self, outcome: StepOutcome, code: Option<i32>, millis: u64) {
        self.steps.extend(self.board.finished(outcome, code, millis).into_iter().next());
        self.steps.drain(..self.steps.len().saturating_sub(STEPS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(jobs: usize) -> State {
        let job = |_| {
            serde_json::from_value(serde_json::json!({
                "job_id": JobId::generate(), "title": "a title", "status": "running",
                "created": "2026-01-01T00:00:00Z",
            }))
            .unwrap()
        };
        let mut state = State::with(None);
        state.list((0..jobs).map(job).collect());
        state
    }

    fn press(state: &mut State, keys: &str) -> Vec<Wish> {
        let code = |c| match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        keys.chars().filter_map(|c| state.key(code(c).into())).collect()
    }

    #[test]
    fn a_job_is_selected_and_opened() {
        let mut state = state(3);
        let third = state.jobs[2].job_id;
        assert_eq!(press(&mut state, "jjjj\n"), [Wish::Follow(third)]);
        assert_eq!(press(&mut state, "k\x1bkq"), [Wish::Unfollow, Wish::Leave]);
        assert_eq!(state.at(), 1);
        state.list(vec![]);
        assert_eq!(press(&mut state, "jk\ncd"), []);
    }

    #[test]
    fn what_ends_something_is_asked_before() {
        let mut state = state(1);
        let job = state.jobs[0].job_id;
        assert_eq!(press(&mut state, "cn"), []);
        assert_eq!(press(&mut state, "cy"), [Wish::Cancel(job)]);
        assert_eq!(press(&mut state, "squit\x1b"), []);
        assert_eq!(press(&mut state, "sbe quick\n"), [Wish::Say(job, "be quick".into())]);
        assert_eq!(press(&mut state, "s\nar"), []);
        assert!(state.said.contains("nothing"));
    }

    #[test]
    fn the_selected_job_stays_selected_when_others_come() {
        let mut state = state(2);
        press(&mut state, "j");
        let selected = state.job();
        let mut more = self::state(2).jobs;
        more.extend(state.jobs.clone());
        state.list(more);
        assert_eq!((state.at(), state.job()), (3, selected));
    }
}

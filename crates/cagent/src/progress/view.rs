//! How a job is shown that is followed: as a checklist that changes on a terminal, as lines elsewhere.

use std::io::{self, IsTerminal as _};

use anstream::{AutoStream, ColorChoice, Stdout};
use types::{Event, JobId};

use super::Progress;
use super::checklist::Checklist;

/// One of the two.
#[derive(Debug)]
pub(crate) enum View {
    /// For pipes, and for terminals that know no colours or shall show none.
    Lines(Box<Progress<Stdout>>),
    /// For people.
    Checklist(Box<Checklist>),
}

/// Whether standard output is a terminal on which something may be drawn.
pub(crate) fn may_draw() -> bool {
    let stdout = io::stdout();
    stdout.is_terminal() && AutoStream::choice(&stdout) != ColorChoice::Never
}

/// Calls the same method of whichever it is, then draws what that told.
macro_rules! told {
    ($view:expr, $progress:ident => $call:expr) => {
        match $view {
            View::Lines(lines) => {
                let $progress = &mut **lines;
                $call
            }
            View::Checklist(list) => {
                let $progress = list.progress();
                let done = $call;
                list.draw()?;
                done
            }
        }
    };
}

impl View {
    /// Says which job it is.
    pub(crate) fn begin(job: JobId) -> io::Result<Self> {
        if may_draw() {
            return Ok(Self::Checklist(Box::new(Checklist::begin(job)?)));
        }
        Ok(Self::Lines(Box::new(Progress::begin(anstream::stdout(), job)?)))
    }

    /// Shows what happened.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        match self {
            Self::Lines(lines) => lines.event(event),
            Self::Checklist(list) => list.event(event),
        }
    }

    /// Says that nothing happens yet, and why.
    pub(crate) fn waiting(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(lines) => lines.waiting(),
            // It says so all the time.
            Self::Checklist(_) => Ok(()),
        }
    }

    /// See [`Progress::ask`].
    pub(crate) fn ask(&mut self, step: u32) -> io::Result<()> {
        told!(self, progress => progress.ask(step))
    }

    /// See [`Progress::typed`].
    pub(crate) fn typed(&mut self) {
        match self {
            Self::Lines(lines) => lines.typed(),
            Self::Checklist(list) => list.progress().typed(),
        }
    }

    /// See [`Progress::interrupted`].
    pub(crate) fn interrupted(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(lines) => lines.interrupted(),
            Self::Checklist(list) => {
                list.progress().close_line()?;
                list.draw()
            }
        }
    }

    /// See [`Progress::nobody`].
    pub(crate) fn nobody(&mut self, why: &str) -> io::Result<()> {
        told!(self, progress => progress.nobody(why))
    }

    /// See [`Progress::decided_elsewhere`].
    pub(crate) fn decided_elsewhere(&mut self, step: u32) -> io::Result<()> {
        told!(self, progress => progress.decided_elsewhere(step))
    }

    /// Whether something on it changes with time alone.
    pub(crate) fn moves(&self) -> bool {
        match self {
            Self::Lines(lines) => lines.thinks() && io::stdout().is_terminal(),
            Self::Checklist(_) => true,
        }
    }

    /// Shows that time went by.
    pub(crate) fn tick(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(lines) => lines.tick(),
            Self::Checklist(list) => list.draw(),
        }
    }

    /// Forgets what nobody knows any more.
    pub(crate) fn lost(&mut self) {
        if let Self::Lines(lines) = self {
            lines.lost();
        }
    }

    /// Shows a question that one key answers, or takes it away; on what can do that.
    pub(crate) fn question(&mut self, text: Option<&'static str>) -> io::Result<bool> {
        match self {
            Self::Lines(_) => Ok(false),
            Self::Checklist(list) => list.question(text).map(|()| true),
        }
    }

    /// Takes away what changes: something else is to be told.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(_) => Ok(()),
            Self::Checklist(list) => list.clear(),
        }
    }
}

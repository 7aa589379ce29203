//! A job on a terminal: what is done stands as short lines, and below them the [`Board`] shows what
//! it does now.

use std::io::{self, Stdout, Write as _};

use jiff::Timestamp;
use types::{Event, EventKind, JobId};

use super::board::{Board, is_ticked, plan_rows};
use super::painter::{Painter, Size};
use super::row::{Look, Row};
use super::{Open, Progress};

/// Draws it.
#[derive(Debug)]
pub(crate) struct Checklist {
    /// What is told for good and is not the board's, not yet written.
    progress: Progress<Vec<u8>>,
    board: Board,
    painter: Painter<Stdout>,
    /// What one key answers, below the board.
    question: Option<&'static str>,
}

impl Checklist {
    pub(super) fn begin(job: JobId) -> io::Result<Self> {
        let mut this = Self {
            progress: Progress::begin(vec![], job)?,
            board: Board::default(),
            painter: Painter::new(io::stdout()),
            question: None,
        };
        this.paint(&[])?;
        Ok(this)
    }

    pub(super) fn event(&mut self, event: &Event) -> io::Result<()> {
        // Before the step is over for the board.
        let told = self.told(&event.event);
        self.board.event(event);
        match &event.event {
            EventKind::StepStarted { .. }
            | EventKind::Output { .. }
            | EventKind::StepFinished { .. }
            | EventKind::Plan { .. }
            | EventKind::Result { .. }
            | EventKind::Packaged { .. }
            | EventKind::Ended { .. } => self.progress.close_line()?,
            _ => self.progress.event(event)?,
        }
        for row in told {
            writeln!(self.progress.out, "{}", row.painted())?;
        }
        // What a step writes may come a thousand times in a second; the next picture has it.
        let may_wait = matches!(event.event, EventKind::Output { .. });
        if may_wait && self.progress.out.is_empty() { Ok(()) } else { self.draw() }
    }

    /// What is told for good of what the board shows.
    fn told(&self, event: &EventKind) -> Vec<Row> {
        match event {
            EventKind::StepFinished { outcome, exit_code, millis, .. } => {
                self.board.finished(*outcome, *exit_code, *millis)
            }
            EventKind::Ended { .. } => {
                // One that nobody ticked says nothing of what was done.
                let plan = self.board.plan.as_ref().filter(|plan| is_ticked(plan));
                let head = plan.map(|_| Row::of(Look::Bold, "plan"));
                head.into_iter().chain(plan.map(plan_rows).unwrap_or_default()).collect()
            }
            _ => vec![],
        }
    }

    /// Tells what is to be told, and draws the board below it.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        let (now, size) = (Timestamp::now(), Size::now());
        // Where somebody types nothing is drawn.
        let drawn = self.progress.open == Open::Nothing && !self.board.is_over();
        let mut rows = if drawn { self.board.rows(now, size) } else { vec![] };
        if let Some(question) = self.question.filter(|_| drawn) {
            rows.pop();
            rows.push(Row::of(Look::Odd, question).cut(size.columns.saturating_sub(1)));
        }
        self.paint(&rows)
    }

    /// Shows a question, or takes it away.
    pub(super) fn question(&mut self, question: Option<&'static str>) -> io::Result<()> {
        self.question = question;
        self.progress.close_line()?;
        self.draw()
    }

    /// Takes the board away: other lines follow.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.paint(&[])
    }

    fn paint(&mut self, rows: &[Row]) -> io::Result<()> {
        let told = std::mem::take(&mut self.progress.out);
        self.painter.paint(&String::from_utf8_lossy(&told), rows, Size::now())
    }

    pub(super) fn progress(&mut self) -> &mut Progress<Vec<u8>> {
        &mut self.progress
    }
}

//! How a [`State`] looks.

use std::time::Duration;

use api::JobSummary;
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use types::JobStatus;

use super::state::{Asks, OpenJob, State};
use crate::progress::approval;
use crate::progress::board::plan_rows;
use crate::progress::painter::Size;
use crate::progress::row::{Look, Row, width};
use crate::{job_name, text};

const LIST_KEYS: &str = "enter open  c cancel  s say  a approve  r reject  d download  q leave";
const JOB_KEYS: &str =
    "esc list  c cancel  s say  a approve  r reject  d download  o desktop  q leave";

pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    match &state.open {
        None => draw_list(frame, state, head, body),
        Some(open) => draw_job(frame, state, open, head, body),
    }
    show(frame, foot, vec![foot_row(state)]);
}

fn foot_row(state: &State) -> Row {
    match &state.asks {
        Some(Asks::Cancel) => Row::of(Look::Odd, "cancel this job? y: yes, any other key: no"),
        Some(Asks::Say(text)) => typed("say: ", text),
        Some(Asks::Reject(text)) => typed("why not: ", text),
        None if !state.said.is_empty() => Row::of(Look::Odd, text::one_line(&state.said)),
        None if state.open.is_some() => Row::of(Look::Dim, JOB_KEYS),
        None => Row::of(Look::Dim, LIST_KEYS),
    }
}

fn typed(what: &str, typed: &str) -> Row {
    Row::of(Look::Odd, what).and(Look::Usual, text::one_line(typed)).and(Look::Odd, "█")
}

fn draw_list(frame: &mut Frame<'_>, state: &State, head: Rect, body: Rect) {
    let running = state.jobs.iter().filter(|job| !job.status.is_final()).count();
    let title = format!("{}, {running} not over", text::count(state.jobs.len() as u64, "job"));
    show(frame, head, vec![Row::of(Look::Bold, "cagent  ").and(Look::Usual, title)]);
    if state.jobs.is_empty() {
        show(frame, body, vec![Row::of(Look::Dim, "no jobs yet; `cagent run TASK` gives one")]);
        return;
    }
    let (room, at) = (usize::from(body.height), state.at());
    let first = at.saturating_sub(room.saturating_sub(1));
    let now = Timestamp::now();
    // By shape too: without colours some terminals show nothing reversed.
    let mark = |row| if row == at { "› " } else { "  " };
    let jobs = (0..).zip(&state.jobs).skip(first).take(room);
    show(frame, body, jobs.map(|(row, job)| list_row(mark(row), job, now)).collect());
    let line = Rect { y: body.y + u16::try_from(at - first).unwrap_or(0), height: 1, ..body };
    frame.buffer_mut().set_style(line, Style::new().add_modifier(Modifier::REVERSED));
}

/// State by shape as well as by colour.
fn list_row(selected: &'static str, job: &JobSummary, now: Timestamp) -> Row {
    let (look, mark) = match job.status {
        _ if job.waiting.is_some() => (Look::Odd, '?'),
        JobStatus::Complete => (Look::Good, '✓'),
        JobStatus::Error => (Look::Bad, '✗'),
        JobStatus::Cancelled => (Look::Dim, '–'),
        JobStatus::Scheduled => (Look::Dim, '○'),
        _ => (Look::Odd, '▸'),
    };
    let end = job.completed.unwrap_or(now);
    let time = job.started.and_then(|start| Duration::try_from(end.duration_since(start)).ok());
    let took = time.map(text::took).unwrap_or_default();
    let why = job.waiting.as_ref().map(approval::in_short).or_else(|| job.error.clone());
    let why = why.map(|why| format!("  {}", text::one_line(&why))).unwrap_or_default();
    Row::of(Look::Bold, selected)
        .and(look, format!("{mark} {:<10}", job.status.to_string()))
        .and(Look::Dim, format!("{}  {took:>12}  ", job_name::short(job.job_id)))
        .and(Look::Usual, text::one_line(&job.title))
        .and(Look::Odd, why)
}

fn draw_job(frame: &mut Frame<'_>, state: &State, open: &OpenJob, head: Rect, body: Rect) {
    let line = state.jobs.iter().find(|line| line.job_id == open.job);
    let title = line.map(|line| text::one_line(&line.title)).unwrap_or_default();
    let status = line.map(|line| line.status.to_string()).unwrap_or_default();
    let row = Row::of(Look::Bold, format!("{}  {status}  ", job_name::short(open.job)));
    show(frame, head, vec![row.and(Look::Usual, title)]);
    // Beside each other where there is room.
    let areas = if body.width >= 100 {
        Layout::horizontal([Constraint::Percentage(40), Constraint::Min(1)]).split(body)
    } else {
        Layout::vertical([Constraint::Percentage(50), Constraint::Min(1)]).split(body)
    };
    let done = boxed(frame, areas[0], " plan and steps ");
    let room = usize::from(done.height);
    let mut rows = open.board.plan.as_ref().map(plan_rows).unwrap_or_default();
    rows.extend(open.steps.iter().cloned());
    let first = rows.len().saturating_sub(room);
    show(frame, done, rows.into_iter().skip(first).collect());
    let now = boxed(frame, areas[1], " now ");
    show(frame, now, now_rows(open, now));
}

fn now_rows(open: &OpenJob, area: Rect) -> Vec<Row> {
    let room = usize::from(area.height);
    let waits = open.waiting.iter().flat_map(|waiting| {
        let head = Row::of(Look::Odd, format!("waits for {}", approval::in_short(waiting)));
        let code = match waiting {
            types::Waiting::Approval { code, .. } => text::exact(code.as_deref().unwrap_or("")),
        };
        let code: Vec<_> =
            code.lines().map(|line| Row::of(Look::Usual, format!("  {line}"))).collect();
        std::iter::once(head).chain(code)
    });
    let waits: Vec<_> = waits.take(room.saturating_sub(2)).collect();
    let size = Size { columns: usize::from(area.width) + 1, rows: 4 };
    let mut rows = open.board.rows(Timestamp::now(), size);
    let spent = rows.pop();
    rows.truncate(1);
    rows.extend(waits);
    rows.extend(open.board.tail.rows(room.saturating_sub(rows.len() + 1)));
    rows.extend(spent);
    rows
}

fn boxed(frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
    let block = Block::new().borders(Borders::TOP).title(title.to_owned());
    let block = block.border_style(Style::new().add_modifier(Modifier::DIM));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn show(frame: &mut Frame<'_>, area: Rect, rows: Vec<Row>) {
    let columns = usize::from(area.width);
    let lines = rows.into_iter().map(|row| line(row.cut(columns))).collect::<Vec<_>>();
    debug_assert!(lines.iter().all(|line| width(&line.to_string()) <= columns));
    frame.render_widget(Paragraph::new(lines), area);
}

fn line(row: Row) -> Line<'static> {
    Line::from_iter(row.0.into_iter().map(|(look, text)| Span::styled(text, style(look))))
}

fn style(look: Look) -> Style {
    let (style, bold) = (Style::new(), Style::new().add_modifier(Modifier::BOLD));
    match look {
        Look::Usual => style,
        Look::Bold => bold,
        Look::Dim => style.add_modifier(Modifier::DIM),
        Look::Good => bold.fg(Color::Green),
        Look::Bad => bold.fg(Color::Red),
        Look::Odd => bold.fg(Color::Yellow),
    }
}

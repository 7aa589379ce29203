//! The memory as a text, for people and for the model: `/workspace/context.txt`.

use super::cut::cut;
use super::layout::Layout;
use super::view::plan_text;
use super::{Memory, summary};

/// The most it takes, in bytes.
const MOST: usize = 64 * 1024;
/// The most of the task, and of the summary.
const PINNED: usize = 8 * 1024;
/// The most of what a person said; of all that, the newest.
const SAID: usize = 2000;

pub(super) fn text(memory: &Memory, bytes: u64) -> String {
    let layout = memory.layout(memory.known.room());
    let mut sections = vec![
        ("Task", cut(memory.task.as_deref().unwrap_or_default(), PINNED, "").into_owned()),
        ("Memory", fill(memory, &layout, bytes)),
    ];
    let plan = memory.plan.as_ref().map(|plan| cut(&plan_text(plan), PINNED, "").into_owned());
    sections.extend(plan.map(|text| ("Plan", text)));
    let person = memory.person.as_ref().map(|(n, text)| format!("#{n} {}", cut(text, SAID, "")));
    sections.extend(person.map(|text| ("What a person said last", text)));
    let summary = memory.summary.as_ref();
    let summary = summary.map(|s| format!("Before #{}:\n{}", s.upto, cut(&s.text, PINNED, "")));
    sections.extend(summary.map(|text| ("Summary", text)));
    let mut all: String = sections.iter().map(|(title, text)| section(title, text)).collect();
    all += &section("What happened", &happened(memory, &layout, MOST - 100 - all.len().min(MOST)));
    all
}

fn section(title: &str, text: &str) -> String {
    format!("# {title}\n\n{}\n\n", text.trim())
}

fn fill(memory: &Memory, layout: &Layout, bytes: u64) -> String {
    let trims = layout.choose(memory.trims).trims;
    let tokens = layout.room.tokens(layout.weight(trims));
    let of = layout.room.tokens(layout.room.turns);
    let (model, entries) = (memory.known.model(), memory.sketches.len());
    let percent = (tokens * 100).checked_div(of).unwrap_or(100).min(100);
    format!(
        "{model} sees about {tokens} of {of} tokens ({percent} %), from #{} on.\n\
         All {entries} entries ({bytes} bytes) are in .cagent/log.ndjson.",
        trims.dropped
    )
}

/// A line for each step, the newest that fit.
fn happened(memory: &Memory, layout: &Layout, most: usize) -> String {
    let lines = summary::lines(memory, layout.units.iter().copied());
    let mut left = most;
    let fits = |line: &&String| {
        let fits = left.checked_sub(line.len() + 1);
        left = fits.unwrap_or(0);
        fits.is_some()
    };
    let newest: Vec<&String> = lines.iter().rev().take_while(fits).collect();
    let mut text = String::new();
    if newest.len() < lines.len() {
        text += &format!("({} earlier lines left out)\n", lines.len() - newest.len());
    }
    for line in newest.iter().rev() {
        text += line;
        text.push('\n');
    }
    text
}

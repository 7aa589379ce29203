//! The memory as a text, for people and for the model: `/workspace/context.txt`.

use super::cut::cut;
use super::layout::{Layout, index};
use super::memory::Memory;
use super::sketch::Kind;
use super::view::plan_text;
use super::{Entry, summary};

/// The most it takes, in bytes.
const MOST: usize = 64 * 1024;
/// The most of the task, and of the summary.
const PINNED: usize = 8 * 1024;
/// The most of what people said; of all that, the newest.
const SAID: usize = 16 * 1024;
/// The most of the list of files.
const FILES: usize = 4 * 1024;

pub(super) fn text(memory: &Memory, bytes: u64, read: impl Fn(u64) -> Option<Entry>) -> String {
    let layout = memory.layout(memory.known.room());
    let mut sections = vec![
        ("Task", cut(memory.task.as_deref().unwrap_or_default(), PINNED, "").into_owned()),
        ("Memory", fill(memory, &layout, bytes)),
    ];
    let plan = memory.plan.as_ref().map(|plan| cut(&plan_text(plan), PINNED, "").into_owned());
    sections.extend(plan.map(|text| ("Plan", text)));
    sections.extend(said(memory, read).map(|text| ("What people said last", text)));
    let summary = memory.summary.as_ref();
    let summary = summary.map(|s| format!("Before #{}:\n{}", s.upto, cut(&s.text, PINNED, "")));
    sections.extend(summary.map(|text| ("Summary", text)));
    sections.extend(summary::files(memory, u64::MAX, FILES).map(|text| ("Files written", text)));
    let mut all: String = sections.iter().map(|(title, text)| section(title, text)).collect();
    let steps = summary::lines(memory, layout.units.iter().copied());
    let left = MOST.saturating_sub(all.len() + 100);
    all += &section("What happened", &summary::newest(&steps, left));
    all
}

/// The newest messages of people, whole but for one that is longer than all may be.
fn said(memory: &Memory, read: impl Fn(u64) -> Option<Entry>) -> Option<String> {
    let entries = (0..memory.sketches.len() as u64).rev();
    let people = entries.filter(|n| memory.sketches[index(*n)].kind == Kind::Person);
    let mut said: Vec<String> = vec![];
    let mut left = SAID;
    for n in people {
        let Some(Entry::Person { text }) = read(n) else { continue };
        let text = format!("#{n} {text}");
        if text.len() > left && !said.is_empty() {
            break;
        }
        let text = cut(&text, left, "").into_owned();
        left -= text.len().min(left);
        said.push(text);
    }
    (!said.is_empty()).then(|| said.into_iter().rev().collect::<Vec<_>>().join("\n\n"))
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

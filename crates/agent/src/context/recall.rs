//! Looking into the log: one entry as it was, or where words stand in it.

use super::cut::{cut, head};
use super::memory::Memory;
use super::{Entry, words};

/// Words of a query that count.
const WORDS: usize = 8;
/// Entries that are shown of a search.
const HITS: usize = 6;
/// How soon more of the same word in an entry says nothing more, as BM25 has it.
const SATURATION: f64 = 1.2;

/// Answers a query in at most `most` bytes.
pub(super) fn answer(
    memory: &Memory,
    query: &str,
    most: usize,
    read: impl Fn(u64) -> Option<Entry>,
) -> String {
    let count = memory.sketches.len() as u64;
    let text = match number(query) {
        Some((n, from)) if n < count => entry(n, from, most, read),
        Some((n, _)) if query.trim().starts_with('#') => {
            format!("There is no #{n}; the log has #0 to #{}.", count.saturating_sub(1))
        }
        _ => search(count, query, most, read),
    };
    cut(&text, most, "").into_owned()
}

/// `#N`, `N` or either with `@offset`.
fn number(query: &str) -> Option<(u64, usize)> {
    let query = query.trim();
    let query = query.strip_prefix('#').unwrap_or(query);
    match query.split_once('@') {
        Some((n, from)) => Some((n.parse().ok()?, from.parse().ok()?)),
        None => Some((query.parse().ok()?, 0)),
    }
}

fn entry(n: u64, from: usize, most: usize, read: impl Fn(u64) -> Option<Entry>) -> String {
    let Some(entry) = read(n) else { return format!("#{n} [changed on disk]") };
    let text = words::of(&entry, false);
    let from = text.floor_char_boundary(from);
    let page = head(&text[from..], most.saturating_sub(160));
    let (upto, all) = (from + page.len(), text.len());
    let title = format!("#{n}, {}, bytes {from} to {upto} of {all}:", words::speaker(&entry));
    let more = match upto < all {
        true => format!("\n[recall {{\"query\":\"#{n}@{upto}\"}} goes on]"),
        false => String::new(),
    };
    format!("{title}\n{page}{more}")
}

/// An entry that has some of the words.
struct Hit {
    n: u64,
    /// How often it has each.
    counts: [u32; WORDS],
    /// Whether it has the whole query as it is.
    phrase: bool,
}

fn search(count: u64, query: &str, most: usize, read: impl Fn(u64) -> Option<Entry>) -> String {
    let phrase = fold(query.trim());
    let words: Vec<&str> = phrase.split_whitespace().take(WORDS).collect();
    if words.is_empty() {
        return "Say what to look for: words, or an entry as \"#12\".".into();
    }
    let text = |n: u64| read(n).map(|entry| words::of(&entry, true)).unwrap_or_default();
    let hits: Vec<Hit> =
        (0..count).filter_map(|n| hit(n, &fold(&text(n)), &phrase, &words)).collect();
    let rarity = rarity(&hits, count);
    let mut ranked: Vec<(f64, &Hit)> = hits.iter().map(|hit| (score(hit, &rarity), hit)).collect();
    // The newest first among equals.
    ranked.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(y.n.cmp(&x.n)));
    let found = ranked.len();
    if found == 0 {
        return format!("Nothing in the log has any of these words: {}", words.join(" "));
    }
    let mut answer = format!("{found} entries have some of this; the best:");
    ranked.truncate(HITS);
    let each = most.saturating_sub(200) / ranked.len();
    for (_, hit) in ranked {
        let text = text(hit.n);
        let at = place(&fold(&text), hit, &phrase, &words, &rarity);
        answer += &format!("\n#{}: {}", hit.n, excerpt(&text, at, each.saturating_sub(40)));
    }
    answer
}

fn hit(n: u64, text: &str, phrase: &str, words: &[&str]) -> Option<Hit> {
    let mut counts = [0; WORDS];
    for (count, word) in counts.iter_mut().zip(words) {
        *count = u32::try_from(text.matches(word).count()).unwrap_or(u32::MAX);
    }
    counts.iter().any(|c| *c > 0).then(|| Hit { n, counts, phrase: text.contains(phrase) })
}

/// How much each word tells: the fewer entries have it, the more.
fn rarity(hits: &[Hit], count: u64) -> [f64; WORDS] {
    let mut rarity = [0.0; WORDS];
    for (at, rarity) in rarity.iter_mut().enumerate() {
        let having = hits.iter().filter(|hit| hit.counts[at] > 0).count();
        *rarity = (1.0 + real(count) / (0.5 + real(having as u64))).ln();
    }
    rarity
}

fn score(hit: &Hit, rarity: &[f64; WORDS]) -> f64 {
    let of_word = |(count, rarity): (&u32, &f64)| {
        let count = f64::from(*count);
        rarity * count / (count + SATURATION)
    };
    let words: f64 = hit.counts.iter().zip(rarity).map(of_word).sum();
    if hit.phrase { words * 2.0 } else { words }
}

/// Where in a text the hit is, in characters: the whole query, or its rarest word.
fn place(text: &str, hit: &Hit, phrase: &str, words: &[&str], rarity: &[f64; WORDS]) -> usize {
    let has = |at: &usize| hit.counts[*at] > 0;
    let rarest = (0..words.len()).filter(has).max_by(|a, b| rarity[*a].total_cmp(&rarity[*b]));
    let word = || text.find(words[rarest?]);
    let at = text.find(phrase).or_else(word).unwrap_or_default();
    text[..at].chars().count()
}

/// What stands around a place, in at most `most` bytes.
fn excerpt(text: &str, at: usize, most: usize) -> String {
    let at = text.char_indices().nth(at).map_or(0, |(byte, _)| byte);
    let from = text.floor_char_boundary(at.saturating_sub(most / 3));
    let shown = head(&text[from..], most);
    let (before, after) = (from > 0, from + shown.len() < text.len());
    let dots = |there: bool| if there { "…" } else { "" };
    format!("{}{shown}{}", dots(before), dots(after))
}

/// In small letters, as many characters as before.
fn fold(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a rank needs no more")]
fn real(n: u64) -> f64 {
    n as f64
}

//! Text for terminals. What a job wrote is hostile: it may hold bytes that clear the screen, rename
//! the window or type for the user.

use std::time::Duration;

use anstream::adapter::strip_str;
use serde::Serialize;
use serde_json::Value;
use types::Usd;

/// Text of a job as it may be shown: line feeds and tabs stay, escape sequences go, and whatever
/// else could command a terminal or turn text around becomes U+FFFD.
pub(crate) fn plain(text: &str) -> String {
    let text = strip_str(text).to_string().replace("\r\n", "\n");
    text.chars().map(shown).collect()
}

/// Text that somebody is to judge: nothing is taken out of it, since what a terminal swallows may
/// mean something to a shell.
pub(crate) fn exact(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// Text on one line, as it may be shown.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

/// The same, and not longer than this.
pub(crate) fn short(text: &str, most: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        // What begins a line anew would cover what is there.
        '\r' => '\n',
        // Marks that change the direction of text.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// How long something took.
pub(crate) fn took(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number of bytes.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB"];
    let unit = units.iter().zip([10u32, 20, 30]).rev().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        None => format!("{bytes} bytes"),
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

/// A word of the API.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    let word = serde_json::to_value(value).ok();
    word.as_ref().and_then(Value::as_str).unwrap_or_default().into()
}

/// An amount of money.
pub(crate) fn dollars(amount: Usd) -> String {
    match amount.micros {
        0 => "$0".into(),
        1..100 => "less than $0.0001".into(),
        _ => format!("${:.4}", amount.dollars()),
    }
}

/// `1 file`, `2 files`, `2 processes`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_commands_a_terminal_is_left() {
        let hostile = "a\x1b[2J\x1b]0;title\x07b\x08\u{9b}31mc\u{202e}d\x7f\te\r\nf\rg\n";
        let shown = plain(hostile);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'), "{shown:?}");
        assert!(shown.ends_with("\te\nf\ng\n"), "{shown:?}");
        assert!(!shown.contains("title"), "{shown:?}");
        assert_eq!(one_line("a\nb"), "a b");
        assert_eq!((short("a\nb", 3), short("äöüß", 3)), ("a b".into(), "äö…".into()));
    }

    #[test]
    fn ordinary_text_stays() {
        let text = "Grüße, 世界 🦀\n\tindented\n";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(took(Duration::from_millis(12)), "12 ms");
        assert_eq!(took(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(took(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(took(Duration::from_secs(7260)), "2 h 1 min");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(u64::MAX), "17179869183.9 GiB");
        assert_eq!(word(&types::Reason::LimitWall), "limit:wall");
        let dollars = [0, 42, 12_345].map(|micros| dollars(Usd { micros }));
        assert_eq!(dollars, ["$0", "less than $0.0001", "$0.0123"]);
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(2, "process"), "2 processes");
    }
}

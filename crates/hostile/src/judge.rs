//! What became of a program, from what is seen of it. Pure.

use crate::Engine;
use crate::entry::Entry;

/// What is seen of a program when its job is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Its standard output.
    pub(crate) said: String,
    /// Its standard error, or what the job says went wrong.
    pub(crate) complained: String,
    /// Why its job ended.
    pub(crate) reason: String,
    /// Where a secret turned up that no job can know.
    pub(crate) secret_in: Option<String>,
    /// How many bytes its result holds, if that is far more than its disk.
    pub(crate) swollen: Option<u64>,
    /// How often the file was read that it wanted read; none where it wanted none.
    pub(crate) reads: Option<usize>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was refused by what should refuse it.
    Refused,
    /// It got through.
    Escaped(String),
    /// It does not show that it was refused, or something else refused it.
    Unclear(String),
}

/// The reason of a job that did all it was asked to.
const FINISHED: &str = "finished";

/// How much of what it said is repeated.
const WORDS: usize = 300;

pub(crate) fn judge(entry: &Entry, engine: Engine, seen: &Seen) -> Verdict {
    if let Some(place) = &seen.secret_in {
        return Verdict::Escaped(format!("a secret is in {place}"));
    }
    if let Some(bytes) = seen.swollen {
        return Verdict::Escaped(format!("its ZIP holds {bytes} bytes, many times its disk"));
    }
    let told = |word: &str| {
        let word = word.to_owned();
        seen.said.lines().filter_map(move |line| line.strip_prefix(&word)).map(str::to_owned)
    };
    if let Some(what) = told("escaped: ").next() {
        return Verdict::Escaped(shortened(&what));
    }
    let refused: Vec<_> = told("refused: ").collect();
    let by = match &refused[..] {
        [] => format!("ends {}", seen.reason),
        [by] if seen.reason == FINISHED => by.clone(),
        [by] => format!("{by}, ends {}", seen.reason),
        _ => return Verdict::Unclear(shortened(&format!("{refused:?}, then {}", seen.reason))),
    };
    if seen.reads == Some(0) {
        return Verdict::Unclear("nobody could read what it wanted read".into());
    }
    if entry.expected(engine).contains(&by) {
        return Verdict::Refused;
    }
    let expected = entry.expected(engine).join(" | ");
    let complained = shortened(&seen.complained);
    Verdict::Unclear(shortened(&format!("{by}, not {expected}; {complained}")))
}

fn shortened(text: &str) -> String {
    text.chars().take(WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(expects: &str) -> Entry {
        let text = format!("# tries: x\n# expects: {expects}\n# layer: y\n");
        Entry::parse("group/name", &text).unwrap()
    }

    fn seen(said: &str, reason: &str) -> Seen {
        Seen { said: said.into(), reason: reason.into(), ..Seen::default() }
    }

    fn verdict(expects: &str, seen: &Seen) -> Verdict {
        judge(&entry(expects), Engine::Local, seen)
    }

    #[test]
    fn refused_is_who_says_so_of_what_was_expected() {
        for said in ["refused: EPERM\n", "noise\nrefused: EPERM\n"] {
            assert_eq!(verdict("ENOSYS | EPERM", &seen(said, FINISHED)), Verdict::Refused);
        }
        assert_eq!(verdict("ends limit:wall", &seen("", "limit:wall")), Verdict::Refused);
        let killed = seen("refused: ENOMEM\n", "limit:memory");
        assert_eq!(verdict("ENOMEM, ends limit:memory", &killed), Verdict::Refused);
    }

    #[test]
    fn who_says_nothing_or_something_else_is_not_refused() {
        for (said, reason) in [
            ("", FINISHED),
            ("", "step_failed"),
            ("refused: EACCES\n", FINISHED),
            ("refused: EPERM\n", "step_failed"),
            ("refused: EPERM\nrefused: EPERM\n", FINISHED),
            ("not refused: EPERM\n", FINISHED),
        ] {
            let verdict = verdict("EPERM", &seen(said, reason));
            assert!(matches!(verdict, Verdict::Unclear(_)), "{said:?} {reason}: {verdict:?}");
        }
    }

    #[test]
    fn who_got_through_escaped_whatever_else_they_say() {
        let both = seen("refused: EPERM\nescaped: all\n", FINISHED);
        assert_eq!(verdict("EPERM", &both), Verdict::Escaped("all".into()));
        let secret_in = Some("its ZIP".into());
        let leaked = Seen { secret_in, ..seen("refused: EPERM\n", FINISHED) };
        assert!(matches!(verdict("EPERM", &leaked), Verdict::Escaped(_)));
        let swollen = Seen { swollen: Some(1 << 40), ..seen("refused: EPERM\n", FINISHED) };
        assert!(matches!(verdict("EPERM", &swollen), Verdict::Escaped(_)));
    }

    #[test]
    fn what_nobody_read_proves_nothing() {
        let reads = |reads| Seen { reads: Some(reads), ..seen("refused: EPERM\n", FINISHED) };
        assert!(matches!(verdict("EPERM", &reads(0)), Verdict::Unclear(_)));
        assert_eq!(verdict("EPERM", &reads(1)), Verdict::Refused);
    }
}

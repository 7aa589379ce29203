//! Rules about Rust files. Code is looked at as tokens, so that a word in a comment or a string is
//! not mistaken for code.

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;

/// Above this a file holds more than one concept. The house aims at 300.
const MAX_LINES: usize = 500;

/// Only the launcher talks to the kernel below the level of safe wrappers.
const MAY_BE_UNSAFE: &str = "crates/engine-local/";

/// Notes that something is unfinished. Split, or this file would find itself.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// A file with more lines than a reader keeps in mind.
pub(super) fn too_long(place: &str, content: &str) -> Option<Finding> {
    let lines = content.lines().count();
    (lines > MAX_LINES).then(|| Finding {
        place: place.into(),
        what: format!("has {lines} lines; at most {MAX_LINES} are allowed"),
        cure: "split it by concept, each part with a name of its own",
    })
}

/// The first file of a crate must say what the crate is.
pub(super) fn undocumented(place: &str, content: &str) -> Option<Finding> {
    (!content.starts_with("//!")).then(|| Finding {
        place: place.into(),
        what: "does not begin with a `//!` comment".into(),
        cure: "say in its first lines what the crate is for and what is not in it",
    })
}

/// `unsafe` outside the launcher, and notes or macros that leave something unfinished.
pub(super) fn forbidden_words(place: &str, content: &str) -> Vec<Finding> {
    let mut findings = unfinished_notes(place, content);
    match content.parse::<TokenStream>() {
        Ok(tokens) => forbidden_tokens(place, tokens, &mut findings),
        Err(error) => findings.push(Finding {
            place: format!("{place}:{}", error.span().start().line),
            what: format!("cannot be read as Rust: {error}"),
            cure: "make it compile first",
        }),
    }
    findings
}

fn unfinished_notes(place: &str, content: &str) -> Vec<Finding> {
    let is_note = |line: &str| {
        line.split(|c: char| !c.is_ascii_alphabetic()).any(|word| UNFINISHED.contains(&word))
    };
    let lines = (1..).zip(content.lines()).filter(|(_, line)| is_note(line));
    lines.map(|(n, line)| unfinished(place, n, line.trim())).collect()
}

fn unfinished(place: &str, line: usize, what: &str) -> Finding {
    Finding {
        place: format!("{place}:{line}"),
        what: format!("leaves something unfinished: {what}"),
        cure: "finish it, or write it down as an issue and remove the note",
    }
}

fn forbidden_tokens(place: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) => forbidden_tokens(place, group.stream(), findings),
            TokenTree::Ident(word) if word == "unsafe" && !place.starts_with(MAY_BE_UNSAFE) => {
                findings.push(Finding {
                    place: format!("{place}:{line}"),
                    what: "uses `unsafe`".into(),
                    cure: "use a safe wrapper (rustix has most system calls), or move what cannot \
                           do without it into crates/engine-local",
                });
            }
            TokenTree::Ident(word)
                if (word == "todo" || word == "unimplemented") && is_bang(tokens.peek()) =>
            {
                findings.push(unfinished(place, line, &format!("{word}!")));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn is_bang(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == '!')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(content: &str) -> Vec<Finding> {
        forbidden_words("crates/x/src/lib.rs", content)
    }

    #[test]
    fn unsafe_code_is_found_with_its_line() {
        let found = words("fn f() {\n    let _ = unsafe { g() };\n}\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "crates/x/src/lib.rs:2");
    }

    #[test]
    fn unsafe_is_a_word_like_others_in_texts_and_in_the_launcher() {
        let text = "//! Nothing unsafe.\n#![deny(unsafe_code)]\nconst S: &str = \"unsafe\";\n";
        assert_eq!(words(text), []);
        assert_eq!(forbidden_words("crates/engine-local/src/a.rs", "unsafe fn f() {}"), []);
    }

    #[test]
    fn unfinished_work_is_found() {
        let note = format!("// {}: later\nfn f() {{ todo!() }}\n", UNFINISHED[0]);
        let places: Vec<String> = words(&note).into_iter().map(|f| f.place).collect();
        assert_eq!(places, ["crates/x/src/lib.rs:1", "crates/x/src/lib.rs:2"]);
        assert_eq!(words("#[expect(clippy::todo)] fn mastodon(todo: Todo) {}"), []);
    }

    #[test]
    fn a_file_of_501_lines_is_too_long() {
        assert!(too_long("a.rs", &"\n".repeat(500)).is_none());
        assert!(too_long("a.rs", &"\n".repeat(501)).is_some());
    }

    #[test]
    fn a_crate_must_introduce_itself() {
        assert!(undocumented("a.rs", "//! A crate.\n").is_none());
        assert!(undocumented("a.rs", "// A crate.\n").is_some());
        assert!(undocumented("a.rs", "").is_some());
    }

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        assert_eq!(words("fn f() {").len(), 1);
    }
}

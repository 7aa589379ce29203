//! What holds for every text.

use proptest::prelude::*;
use runbook::{ParseError, Program, Runbook, Work, declares_runbook};

/// Texts full of what makes Markdown hard.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "```", "~~~", "````", "`", "\n", "\n", "\r\n", "\r", "    ", "\t", " ", "> ", "- ", "1. ",
            "# ", "---\n", "runbook: 1\n", "bash", "file=", "a b", "\"", "=", "timeout=", "<!--", "-->",
            "<div>", "encoding=base64", "\u{feff}", "\0", "&#10;", "\\", "[x]: ", "ü", "..", "/",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Prose lines: anything that cannot begin a fence, a quote or an open HTML block.
fn prose() -> impl Strategy<Value = String> {
    let line = "(# |- |\\* |[0-9]\\. |    )?[a-z$;|&(){}. `~-]{0,30}"
        .prop_filter("no fence", |line| !line.contains("```") && !line.contains("~~~"));
    prop::collection::vec(line, 0..8).prop_map(|lines| format!("{}\n\n", lines.join("\n")))
}

fn code() -> impl Strategy<Value = String> {
    prop::collection::vec("[ -~\t]{0,20}", 0..6)
        .prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect())
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in nasty()) {
        let _declared: bool = declares_runbook(&text);
        match Runbook::parse(&text) {
            Ok(runbook) => {
                let lines = text.matches('\n').count() + 1;
                prop_assert!(!runbook.blocks.is_empty());
                for pair in runbook.blocks.windows(2) {
                    prop_assert!(pair[0].line <= pair[1].line);
                }
                for block in &runbook.blocks {
                    prop_assert!(block.line >= 1 && block.line as usize <= lines);
                    prop_assert!(!block.title.contains(char::is_control));
                    if let Work::File { path, .. } = &block.work {
                        prop_assert!(!path.starts_with('/') && !path.starts_with(".cagent/"));
                        prop_assert!(path.split('/').all(|name| !["", ".", ".."].contains(&name)));
                    }
                }
            }
            Err(e) => prop_assert!(!e.to_string().is_empty()),
        }
    }

    #[test]
    fn prose_is_never_a_block(text in prose()) {
        prop_assert_eq!(Runbook::parse(&text), Err(ParseError::Empty));
    }

    #[test]
    fn blocks_are_taken_word_for_word_whatever_stands_between(
        pieces in prop::collection::vec((prose(), code()), 1..6), last in prose(),
    ) {
        // Longer than any run of backticks in the code.
        let fence = "`".repeat(24);
        let mut text = String::new();
        for (prose, code) in &pieces {
            // A comment ends any list, so that the fence stands at the top level.
            text += &format!("{prose}<!-- -->\n\n{fence}bash\n{code}{fence}\n\n");
        }
        text += &last;
        let runbook = Runbook::parse(&text).unwrap();
        let codes: Vec<_> = runbook.blocks.into_iter().map(|block| match block.work {
            Work::Run { program: Program::Bash, code, .. } => code,
            other => panic!("{other:?}"),
        }).collect();
        let expected: Vec<_> = pieces.into_iter().map(|(_, code)| code).collect();
        prop_assert_eq!(codes, expected);
    }
}

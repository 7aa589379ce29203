//! Every mistake names its line and says what to do; nothing wrong is ever run.

use runbook::{MAX_BLOCKS, MAX_MISTAKES, Mistake, MistakeKind, ParseError, Runbook};

fn mistakes(markdown: &str) -> Vec<Mistake> {
    match Runbook::parse(markdown) {
        Err(ParseError::Mistakes { first, .. }) => first,
        other => panic!("expected mistakes in {markdown:?}, got {other:?}"),
    }
}

fn mistake(info: &str) -> MistakeKind {
    let mistakes = mistakes(&format!("prose\n\n```{info}\nx\n```\n"));
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].line, 3);
    mistakes[0].kind.clone()
}

#[test]
fn nothing_to_run() {
    for text in ["", " \n", "\u{feff}", "just prose", "---\nrunbook: 1\n---\n", "```\nx\n```"] {
        assert_eq!(Runbook::parse(text), Err(ParseError::Empty), "{text:?}");
    }
}

#[test]
fn another_version() {
    for found in ["2", "", "1.0", "yes"] {
        let text = format!("---\na: b\nrunbook: {found}\n---\n```sh\nx\n```\n");
        let expected = ParseError::Version { line: 3, found: found.into() };
        assert_eq!(Runbook::parse(&text), Err(expected));
    }
}

#[test]
fn front_matter_without_end() {
    let mistakes = mistakes("\n---\nrunbook: 1\n\nprose\n\n```sh\nx\n```\n");
    assert_eq!(mistakes, [Mistake { line: 2, kind: MistakeKind::UnclosedFrontMatter }]);
}

#[test]
fn unclosed_fences() {
    for text in [
        "```bash\nx",
        "```bash\nx\n",
        "```bash",
        "```bash\n\n",
        "```bash\nx\n    ```\n",
        "```bash\nx\n~~~\n",
        "```bash\nx\n``` y\n",
        "- ```bash\n  x\n\nprose\n",
        "- ```bash\n  x\n- ```\n  y\n  ```\n",
        "```bash\r\nx\r\n",
    ] {
        let expected = Mistake { line: 1, kind: MistakeKind::UnclosedFence("```".into()) };
        assert_eq!(mistakes(text), [expected], "{text:?}");
    }
    let kind = mistakes("\n~~~~~sh\n~~~~\n").remove(0).kind;
    assert_eq!(kind, MistakeKind::UnclosedFence("~~~~~".into()));
}

#[test]
fn closed_fences_are_not_called_unclosed() {
    for text in [
        "```sh\n```",
        "```sh\n\n```",
        "~~~sh\nx\n   ~~~~  \n",
        "   ```sh\n x\n```\n\n\n",
        "- ```sh\n  ```",
    ] {
        assert!(Runbook::parse(text).is_ok(), "{text:?}");
    }
}

#[test]
fn unknown_languages() {
    for word in ["rust", "shell", "python2", "{.bash}", "bash,ignore", "a"] {
        assert_eq!(mistake(&format!(" {word}")), MistakeKind::UnknownLanguage(word.into()));
    }
    assert_eq!(mistake("timeout=3"), MistakeKind::NoLanguage);
}

#[test]
fn bad_attributes() {
    let unknown = |name: &str| MistakeKind::UnknownAttribute(name.into());
    for (info, kind) in [
        ("bash retries=3", unknown("retries")),
        ("bash Timeout=3", unknown("Timeout")),
        ("bash {cmd=true}", unknown("{cmd")),
        ("bash x.sh", unknown("x.sh")),
        ("bash timeout=1 timeout=1", MistakeKind::Repeated("timeout")),
        ("bash continue-on-error continue-on-error", MistakeKind::Repeated("continue-on-error")),
        ("file=a file=b", MistakeKind::Repeated("file")),
        ("bash encoding=base64", MistakeKind::Misplaced { name: "encoding=", file: false }),
        ("bash file=a timeout=1", MistakeKind::Misplaced { name: "timeout=", file: true }),
        ("file=a cwd=b", MistakeKind::Misplaced { name: "cwd=", file: true }),
        ("file=a expect-exit=1", MistakeKind::Misplaced { name: "expect-exit=", file: true }),
        (
            "file=a continue-on-error",
            MistakeKind::Misplaced { name: "continue-on-error", file: true },
        ),
        ("bash cwd=\"a b", MistakeKind::BadQuotes),
        ("bash cwd=\"a\"b", MistakeKind::BadQuotes),
        ("bash cwd=a\"b\"", MistakeKind::BadQuotes),
    ] {
        assert_eq!(mistake(info), kind, "{info}");
    }
}

#[test]
fn bad_values() {
    for info in [
        "timeout",
        "timeout=",
        "timeout=0",
        "timeout=-1",
        "timeout=1.5",
        "timeout=5d",
        "timeout=s",
        "timeout=99999999999",
        "timeout=2000000h",
        "continue-on-error=yes",
        "expect-exit=256",
        "expect-exit=-1",
        "expect-exit=x",
        "expect-exit",
        "cwd=/tmp",
        "cwd=..",
        "cwd=a/../..",
        "cwd=.",
        "cwd=",
        "cwd=.cagent",
        "cwd=./.cagent/x",
        "file=/etc/passwd",
        "file=../x",
        "file=a/",
        "file=\"\"",
        "file",
        "file=.cagent/manifest.json",
        "file=.//.cagent//x",
        "file=\"a/ /../..\"",
        "file=a encoding=utf8",
        "file=a encoding=BASE64",
        "file=\"a&#10;b\"",
    ] {
        let kind = mistake(&format!("bash {info}"));
        assert!(matches!(kind, MistakeKind::BadValue { .. }), "{info}: {kind:?}");
    }
}

#[test]
fn bad_base64() {
    assert!(matches!(mistake("file=a encoding=base64"), MistakeKind::BadBase64(_)));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "```rust\n```\n\n```sh\nok\n```\n```sh x\n```\n~~~sh\n";
    let told = Runbook::parse(text).unwrap_err().to_string();
    let lines: Vec<_> = told.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 1", "line 7", "line 9"]);
}

#[test]
fn the_number_of_blocks_is_bounded() {
    let block = "```sh\nx\n```\n";
    assert_eq!(Runbook::parse(&block.repeat(MAX_BLOCKS)).unwrap().blocks.len(), MAX_BLOCKS);
    let too_many = mistakes(&block.repeat(MAX_BLOCKS + 50));
    let line = u32::try_from(MAX_BLOCKS).unwrap() * 3 + 1;
    assert_eq!(too_many, [Mistake { line, kind: MistakeKind::TooManyBlocks }]);
}

#[test]
fn a_mebibyte_of_mistakes_is_a_short_answer() {
    let bad = Runbook::parse(&"```x\n```\n".repeat(100_000)).unwrap_err();
    let told = bad.to_string();
    assert!(told.len() < 10_000 && told.ends_with("and 99980 more mistakes"), "{told}");
    let ParseError::Mistakes { first, more } = bad else { panic!("{bad:?}") };
    assert_eq!((first.len(), more), (MAX_MISTAKES, 100_000 - MAX_MISTAKES));
    let long = "`".repeat(1 << 20);
    for one in [format!("```{}\n```\n", "x".repeat(1 << 20)), format!("{long}sh\n")] {
        let told = Runbook::parse(&one).unwrap_err().to_string();
        assert!(told.len() < 1000, "{} bytes", told.len());
    }
}

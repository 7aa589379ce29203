//! What is written is read back as it was.

use proptest::prelude::*;
use runbook::{Block, ParseError, Program, Runbook, Work, declares_runbook, render};

fn run(code: &str) -> Work {
    Work::Run {
        program: Program::Bash,
        code: code.into(),
        timeout_seconds: None,
        continue_on_error: false,
        expect_exit: 0,
        cwd: None,
    }
}

fn file(path: &str, content: &[u8]) -> Work {
    Work::File { path: path.into(), content: content.into() }
}

#[test]
fn looks_like_this() {
    let test = Work::Run {
        program: Program::Python,
        code: "import fib".into(),
        timeout_seconds: Some(30),
        continue_on_error: true,
        expect_exit: 1,
        cwd: Some("my dir".into()),
    };
    let text = [
        render::opening("Fibonacci"),
        render::note("The task was:\n\n```bash\nrm -rf x\n```\n"),
        render::block("fib.py", &file("fib.py", b"print(1)\n")).unwrap(),
        render::block("Look *twice*", &run("ls\n")).unwrap(),
        render::block("", &test).unwrap(),
        render::block("a.bin", &file("a.bin", b"\0\x01")).unwrap(),
        render::block("", &run("echo '```'\n")).unwrap(),
    ];
    let expected = "\
---
runbook: 1
---

# Fibonacci

> The task was:
>
> ```bash
> rm -rf x
> ```

```file=fib.py
print(1)
```

## Look \\*twice\\*

```bash
ls
```

```python timeout=30 continue-on-error expect-exit=1 cwd=\"my dir\"
import fib
```

```file=a.bin encoding=base64
AAE=
```

````bash
echo '```'
````
";
    assert_eq!(text.concat(), expected);
}

#[test]
fn what_the_format_cannot_hold_is_not_written() {
    let mut signalled = run("kill -9 $$\n");
    if let Work::Run { expect_exit, .. } = &mut signalled {
        *expect_exit = -9;
    }
    for work in [file("a\"b", b"x\n"), file("../x", b"x\n"), file(".cagent/x", b""), signalled] {
        assert_eq!(render::block("x", &work), None, "{work:?}");
    }
}

#[test]
fn code_gets_proper_lines() {
    let text = render::opening("") + &render::block("", &run("a\nb")).unwrap();
    assert_eq!(works(&Runbook::parse(&text).unwrap()), [run("a\nb\n")]);
    for code in ["a\r\nb\n", "printf '\r'\n", "a\0\n"] {
        assert_eq!(render::block("", &run(code)), None, "{code:?}");
    }
}

fn works(runbook: &Runbook) -> Vec<Work> {
    runbook.blocks.iter().map(|block| block.work.clone()).collect()
}

/// A block, or a note.
type Piece = Result<Block, String>;

fn written(title: &str, pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Ok(block) => render::block(&block.title, &block.work).expect("it can be written"),
        Err(note) => render::note(note),
    };
    render::opening(title) + &pieces.iter().map(piece).collect::<String>()
}

/// Texts full of what makes Markdown hard.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "```", "~~~", "````", "`", "~", "\n", "\n", "\r\n", "\r", "    ", "\t", " ", "> ", "- ",
            "1. ", "# ", "---\n", "===\n", "runbook: 1\n", "bash", "```bash\n", "file=", "a b", "\"",
            "=", "<!--", "-->", "<div>", "<script>", "\u{feff}", "\0", "&#10;", "&amp;", "\\", "\\&",
            "[x]: /y\n", "[x]", "*a*", "_b_", "ü", "\u{a0}", "\u{2028}", "..", "/", "\x1b[0m", "#",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn code() -> impl Strategy<Value = String> {
    nasty().prop_map(|text| {
        let text = text.replace(['\r', '\0'], "\n");
        if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
    })
}

/// Paths as the parser leaves them.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => "[a-zA-Z0-9._=&;`~'#\\\\ \u{a0}ü<>*|-]{1,8}",
        1 => prop::sample::select(vec!["&amp;", "a\\&b", "x y", "`", "~~~", "a=b", "&#34;", " ", "\\"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(name, 1..4).prop_filter_map("beneath the workspace", |names| {
        let bad = names.iter().any(|name| name == "." || name == "..") || names[0] == ".cagent";
        (!bad).then(|| names.join("/"))
    })
}

fn program() -> impl Strategy<Value = Program> {
    prop::sample::select(vec![
        Program::Bash,
        Program::Sh,
        Program::Python,
        Program::TypeScript,
        Program::JavaScript,
    ])
}

fn work() -> impl Strategy<Value = Work> {
    let timeout = prop::option::of(1..=u32::MAX);
    let cwd = prop::option::of(path());
    let run = (program(), code(), timeout, any::<bool>(), 0..256i32, cwd);
    let run =
        run.prop_map(|(program, code, timeout_seconds, continue_on_error, expect_exit, cwd)| {
            Work::Run { program, code, timeout_seconds, continue_on_error, expect_exit, cwd }
        });
    let content = prop_oneof![
        nasty().prop_map(String::into_bytes),
        code().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let file = (path(), content).prop_map(|(path, content)| Work::File { path, content });
    prop_oneof![run, file]
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        3 => (nasty(), work()).prop_map(|(title, work)| Ok(Block { line: 0, title, work })),
        1 => nasty().prop_map(Err),
    ]
}

proptest! {
    #[test]
    fn blocks_come_back_and_notes_do_not(
        title in nasty(), pieces in prop::collection::vec(piece(), 0..8),
    ) {
        let text = written(&title, &pieces);
        prop_assert!(declares_runbook(&text));
        let blocks: Vec<_> = pieces.into_iter().flatten().map(|block| block.work).collect();
        match Runbook::parse(&text) {
            Err(ParseError::Empty) => prop_assert!(blocks.is_empty(), "{text}"),
            Err(e) => prop_assert!(false, "{e}\n{text}"),
            Ok(runbook) => prop_assert_eq!(works(&runbook), blocks, "{}", text),
        }
    }

    /// Titles come back too, once they are such as the parser gives.
    #[test]
    fn a_runbook_comes_back(title in nasty(), pieces in prop::collection::vec(piece(), 1..8)) {
        let Ok(first) = Runbook::parse(&written(&title, &pieces)) else { return Ok(()) };
        let pieces: Vec<_> = first.blocks.iter().cloned().map(Ok).collect();
        let text = written(first.title.as_deref().unwrap_or_default(), &pieces);
        let second = Runbook::parse(&text).unwrap();
        if first.title.is_some() {
            prop_assert_eq!(&second.title, &first.title, "{}", &text);
        }
        let titles = |runbook: &Runbook| -> Vec<_> {
            runbook.blocks.iter().map(|block| block.title.clone()).collect()
        };
        prop_assert_eq!(titles(&second), titles(&first), "{}", text);
    }
}

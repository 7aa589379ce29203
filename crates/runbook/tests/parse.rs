//! What is a block, what is prose, and what a block says.

use runbook::{Block, ParseError, Program, Runbook, Work, declares_runbook};

fn blocks(markdown: &str) -> Vec<Block> {
    Runbook::parse(markdown).unwrap_or_else(|e| panic!("{e}\n---\n{markdown}")).blocks
}

fn works(markdown: &str) -> Vec<Work> {
    blocks(markdown).into_iter().map(|block| block.work).collect()
}

fn run(program: Program, code: &str) -> Work {
    Work::Run {
        program,
        code: code.into(),
        timeout_seconds: None,
        continue_on_error: false,
        expect_exit: 0,
        cwd: None,
    }
}

fn file(path: &str, content: impl AsRef<[u8]>) -> Work {
    Work::File { path: path.into(), content: content.as_ref().into() }
}

#[test]
fn every_language_has_its_program() {
    for (words, program) in [
        (&["bash", "Bash"][..], Program::Bash),
        (&["sh"], Program::Sh),
        (&["python", "python3", "py"], Program::Python),
        (&["ts", "typescript", "TypeScript"], Program::TypeScript),
        (&["js", "javascript"], Program::JavaScript),
    ] {
        for word in words {
            assert_eq!(works(&format!("```{word}\nx\n```\n")), [run(program, "x\n")]);
        }
    }
}

#[test]
fn attributes_are_read() {
    let info = r#"bash timeout=5m  continue-on-error expect-exit=3 cwd="my dir/./x""#;
    let Work::Run { timeout_seconds, continue_on_error, expect_exit, cwd, .. } =
        works(&format!("~~~ {info}\nx\n~~~")).remove(0)
    else {
        panic!("no run block")
    };
    assert_eq!((timeout_seconds, continue_on_error, expect_exit), (Some(300), true, 3));
    assert_eq!(cwd.as_deref(), Some("my dir/x"));
}

#[test]
fn times_have_units() {
    for (text, seconds) in [("30", 30), ("30s", 30), ("2m", 120), ("1h", 3600)] {
        let work = works(&format!("```sh timeout={text}\nx\n```")).remove(0);
        assert!(matches!(work, Work::Run { timeout_seconds: Some(s), .. } if s == seconds));
    }
}

#[test]
fn files_keep_their_bytes() {
    assert_eq!(
        works("```make file=./a//Makefile\nall:\n\t@echo  hi \n\n```\n"),
        [file("a/Makefile", "all:\n\t@echo  hi \n\n")]
    );
    assert_eq!(works("```file=\"a b\"\n```"), [file("a b", "")]);
    assert_eq!(
        works("```file=x.bin encoding=base64\n/wAB\nAg==\n```"),
        [file("x.bin", [255, 0, 1, 2])]
    );
    assert_eq!(works("```text file=notes\nhello\n```"), [file("notes", "hello\n")]);
    assert_eq!(
        works("```rust file=main.rs\nfn main() {}\n```"),
        [file("main.rs", "fn main() {}\n")]
    );
}

#[test]
fn a_longer_fence_holds_shorter_ones() {
    let inner = "```bash\nrm x\n```\n~~~\n";
    assert_eq!(works(&format!("````file=a.md\n{inner}````\n")), [file("a.md", inner)]);
}

#[test]
fn only_fenced_blocks_outside_quotes_count() {
    let prose = "# Title\n\nrm -rf `x` ```bash y``` text\n\n    ```bash\n    rm\n    ```\n\n\
                 > ```bash\n> rm\n> ```\n> > ~~~sh\n\n<!--\n```bash\nrm\n```\n-->\n\n\
                 ```\nshown\n```\n\n```text\nshown\n```\n\n```console\n$ rm\n```\n\n```output\nx\n```\n";
    assert_eq!(Runbook::parse(prose), Err(ParseError::Empty));
    assert_eq!(works(&format!("{prose}\n```sh\nlast\n```")), [run(Program::Sh, "last\n")]);
}

#[test]
fn blocks_in_list_items_lose_the_indentation_of_the_list() {
    let list =
        "1. First:\n\n   ```python\n   if x:\n       y\n   ```\n\n   - ```sh\n     z\n     ```\n";
    assert_eq!(works(list), [run(Program::Python, "if x:\n    y\n"), run(Program::Sh, "z\n")]);
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    let unix = "---\nrunbook: 1\n---\n# T\n\n```bash\na\n\nb\n```\n";
    let dos = format!("\u{feff}{}", unix.replace('\n', "\r\n"));
    assert_eq!(Runbook::parse(&dos), Runbook::parse(unix));
    assert_eq!(blocks(unix)[0].line, 6);
    assert!(declares_runbook(&dos));
}

#[test]
fn titles_come_from_headings_or_code() {
    let markdown = "# The `whole` thing\n\n```sh file=a\n```\n```sh\nfirst\n```\n```sh\n\n  second \u{1b}[31m\n```\n\
                    Part\n----\n```sh\nx\n```\n```sh\n```\n";
    let runbook = Runbook::parse(markdown).unwrap();
    assert_eq!(runbook.title.as_deref(), Some("The whole thing"));
    let titles: Vec<_> = runbook.blocks.iter().map(|b| (b.line, b.title.as_str())).collect();
    let expected = [
        (3, "a"),
        (5, "The whole thing"),
        (8, "second  [31m"),
        (14, "Part"),
        (17, "an empty block"),
    ];
    assert_eq!(titles, expected);
}

#[test]
fn long_titles_are_cut() {
    let runbook = Runbook::parse(&format!("```sh\n{}\n```", "ä".repeat(500))).unwrap();
    assert_eq!(runbook.blocks[0].title, format!("{}…", "ä".repeat(79)));
    assert_eq!(runbook.title, None);
}

#[test]
fn front_matter_declares_a_runbook() {
    for text in [
        "---\nrunbook: 1\n---\n",
        "\n \t\n---  \nrunbook: 1 # why\n...\n",
        "---\ntitle: x\nrunbook: '1'\ntags:\n  - a\n\n# note\n---",
        // Asks for it; that it cannot be run is said by `parse`.
        "---\nrunbook: 2\n---\n",
        "---\nrunbook: 1\n\nprose",
    ] {
        assert!(declares_runbook(text), "{text}");
    }
    for text in [
        "",
        "runbook: 1",
        "# x\n---\nrunbook: 1\n---\n",
        "---\ntitle: runbook\n---\nrunbook: 1\n",
        "---\nprose\nrunbook: 1\n---\n",
        "---\n```yaml\nrunbook: 1\n```\n---\n",
        "----\nrunbook: 1\n---\n",
    ] {
        assert!(!declares_runbook(text), "{text}");
    }
}

#[test]
fn front_matter_never_swallows_a_block() {
    assert_eq!(works("---\n- ```sh\n  x\n  ```\n---\n"), [run(Program::Sh, "x\n")]);
    assert_eq!(works("---\nrunbook: 1\n---\n```sh\nx\n```\n---\n"), [run(Program::Sh, "x\n")]);
}

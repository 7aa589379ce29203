//! The examples and the documentation say what the parser does.

use std::path::{Path, PathBuf};

use runbook::{Program, Runbook, Work, declares_runbook};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn programs(runbook: &Runbook) -> Vec<Program> {
    let program = |work: &Work| match work {
        Work::Run { program, .. } => Some(*program),
        Work::File { .. } => None,
    };
    runbook.blocks.iter().filter_map(|block| program(&block.work)).collect()
}

#[test]
fn every_example_is_a_runbook() {
    let files = std::fs::read_dir(root().join("examples")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    assert!(files.len() >= 4, "the examples are missing");
    for path in files {
        let text = read(&path);
        assert!(declares_runbook(&text), "{}", path.display());
        let runbook = Runbook::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(runbook.title.is_some(), "{}", path.display());
        assert!(programs(&runbook).contains(&Program::Bash), "{}: no check", path.display());
    }
}

#[test]
fn the_demo_touches_every_language() {
    let programs = programs(&Runbook::parse(&read("examples/demo.md")).unwrap());
    for program in [Program::Bash, Program::Python, Program::TypeScript] {
        assert!(programs.contains(&program), "{program:?}");
    }
}

#[test]
fn the_documented_runbook_works() {
    let text = read("docs/runbooks.md");
    let example = text.split("````").nth(1).unwrap().strip_prefix("markdown\n").unwrap();
    let runbook = Runbook::parse(example).unwrap();
    assert_eq!(runbook.title.as_deref(), Some("Hello"));
    assert_eq!(runbook.blocks.len(), 2);
}

#[test]
fn the_documented_mistakes_are_the_real_ones() {
    let text = read("docs/runbooks.md");
    for runbook in [
        "prose",
        "---\nrunbook: 2\n---\n",
        "---\nrunbook: 1\n",
        "```bash\nx\n",
        "```ruby\nx\n```",
        "```bash retries=3\nx\n```",
        "```bash timeout=soon\nx\n```",
        "```file=../x\nx\n```",
        "```file=x cwd=y\nx\n```",
    ] {
        let told = Runbook::parse(runbook).unwrap_err().to_string();
        assert!(text.contains(&format!("\n{told}\n")), "not in docs/runbooks.md: {told}");
    }
}

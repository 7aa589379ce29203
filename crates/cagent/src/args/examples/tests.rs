//! That what people copy can be given: the examples below the help, and the commands in docs.

use std::path::Path;

use clap::{Command, CommandFactory as _, Parser as _};
use types::Limits;

use super::super::Cli;
use crate::limit;

/// A file that is there, for what has to be.
const THERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

#[test]
fn every_command_has_examples_that_can_be_given() {
    let all = leaves(&Cli::command(), &[]);
    assert!(all.len() > 25, "{all:?}");
    for (path, help) in all {
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{path:?}"));
        assert!((1..=3).contains(&examples.lines().count()), "{path:?}");
        for line in examples.lines() {
            let words = call(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(words[..path.len()], path);
            assert!(Cli::try_parse_from(&words).is_ok(), "{line}: {words:?}");
        }
    }
}

#[test]
fn every_limit_is_there_with_what_it_is() {
    for limit in limit::shown_all(Limits::default()) {
        assert!(super::RUN.contains(&format!("\n  {limit} ")), "{limit}");
    }
}

#[test]
fn every_command_in_docs_can_be_given() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|name| name == "md"));
    let mut tried = 0;
    for path in docs.chain([root.join("README.md")]) {
        for line in commands(&std::fs::read_to_string(&path).unwrap()) {
            let Some(words) = call(line) else { continue };
            let given = Cli::try_parse_from(&words);
            assert!(given.is_ok(), "{}: {line}: {words:?}: {given:?}", path.display());
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} were found");
}

/// What a reader would type: lines of `sh` blocks, those behind `$` of `console` blocks.
fn commands(doc: &str) -> impl Iterator<Item = &str> {
    let mut fence = "";
    doc.lines().filter(move |line| {
        if line.starts_with("```") {
            fence = *line;
        }
        fence == "```sh" || fence == "```console" && line.starts_with("$ ")
    })
}

/// Every command that does something, by its words.
fn leaves(command: &Command, path: &[&str]) -> Vec<(Vec<String>, String)> {
    let path = [path, &[command.get_name()]].concat();
    if command.has_subcommands() {
        return command.get_subcommands().flat_map(|part| leaves(part, &path)).collect();
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    vec![(path.iter().map(ToString::to_string).collect(), help)]
}

/// The words of the call of `cagent` in a line, as a shell would have them.
fn call(line: &str) -> Option<Vec<String>> {
    let at = line.find("cagent ")?;
    let before = line[..at].trim_end_matches("target/release/").split_whitespace().last();
    // Where it is no path and no name: alone, behind `$ `, a pipe, `<(`, a variable, in a container.
    let called = before
        .is_none_or(|word| matches!(word, "$" | "|" | "<(" | "orchestrator") || word.contains('='));
    let (mut words, mut word, mut quote) = (vec![], String::new(), None);
    for c in line[at..].chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '<' | '>' | '#' | ')' | '&' | ';') => break,
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            (_, c) => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    called.then(|| words.into_iter().map(|word| given(&word)).collect())
}

/// With a job, and a file that is there, where one is meant.
fn given(word: &str) -> String {
    let job = ["$JOB", "JOB", "$ID"].iter().find(|name| word.trim_end_matches('…') == **name);
    match word {
        _ if job.is_some() => "0d351f3c".into(),
        "data.csv" => THERE.into(),
        // It takes the value it has here.
        "TOKEN" => "TOKEN=x".into(),
        _ => word.into(),
    }
}

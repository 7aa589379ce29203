//! What people read, word for word: the help of every command, and what commands print into a pipe, as
//! committed in `snapshots/`. After a change: UPDATE=1 cargo test -p cagent --test cli snapshots

use std::process::Command;

use testkit::{DataDir, Server};
use types::{EventKind, JobId};

use crate::support::{CAGENT, bare, bash, call, stdout, with_a_model};

const GREETINGS: &str = "# Greet the world\n\n\
    ```python file=hello.py\nprint('Hello, world')\n```\n\n\
    ```bash\npython3 hello.py | tee greeting.txt\n```\n\n\
    ```bash continue-on-error\necho no such thing >&2; exit 3\n```\n";

/// Units of numbers that are others each time, and what stands for them.
const UNITS: [(&str, &[&str]); 4] = [
    ("TIME", &["ms", "s"]),
    ("SIZE", &["bytes", "KiB", "MiB"]),
    ("TOKENS", &["tokens"]),
    ("SHARE", &["%"]),
];

#[test]
fn help() {
    let data = DataDir::new();
    let mut all = String::new();
    helps(&data, &[], &mut all);
    same("help", &all);
}

/// Nothing is broken in the middle of a word, or runs out of sight.
#[test]
fn help_fits_a_narrow_terminal() {
    let data = DataDir::new();
    for command in ["serve", "run", "diff", "open"] {
        let text = stdout(&help_of(&data, &[command], 60).output().unwrap(), 0);
        let long = text.lines().find(|line| line.chars().count() > 60);
        assert_eq!(long, None, "{text}");
    }
}

#[tokio::test]
async fn a_runbook() {
    let server = Server::start(CAGENT).await;
    let data = server.data_dir();
    let run = stdout(&call(data, &["run", "--mode", "runbook", GREETINGS]), 0);
    let job: JobId = run.lines().next().unwrap().trim_start_matches("job ").parse().unwrap();
    let (seen, id) = (Seen { data, job }, job.to_string());
    seen.same("run", &run);
    seen.same("ps", &stdout(&call(data, &["ps"]), 0));
    seen.same("status", &stdout(&call(data, &["status", &id]), 0));
    seen.same("logs", &stdout(&call(data, &["logs", &id]), 0));
    seen.same("files", &stdout(&call(data, &["files", &id]), 0));
    seen.same("diff", &stdout(&call(data, &["diff", &id]), 0));
}

#[tokio::test]
async fn a_job_that_runs() {
    let server = Server::start(CAGENT).await;
    let data = server.data_dir();
    let job =
        server.client().run(&bash("# wait for a file\nuntil [ -e go ]; do sleep 0.1; done")).await;
    let used = |event: &EventKind| matches!(event, EventKind::Usage { .. });
    server.client().events_until(job, |event| used(&event.event)).await;
    let top = stdout(&call(data, &["top", "--once"]), 0);
    let (head, used) = top.split_once('\n').unwrap();
    // What it uses is the machine's affair.
    let cells: Vec<_> = used.trim_end().split("  ").collect();
    let ends = format!("{} … {}", cells[0], cells[cells.len() - 1]);
    Seen { data, job }.same("top", &format!("{head}\n{ends}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent() {
    let (_model, server) = with_a_model().await;
    let data = server.data_dir();
    let task = "Create a Python script that calculates Fibonacci numbers, with tests";
    let run = stdout(&call(data, &["run", task]), 0);
    let job: JobId = run.lines().next().unwrap().trim_start_matches("job ").parse().unwrap();
    // What programs write is theirs.
    let is_output = |line: &str| line.starts_with("    ") && !line.starts_with("    [");
    let run: Vec<_> = run.lines().filter(|line| !is_output(line)).collect();
    Seen { data, job }.same("run-agent", &run.join("\n"));
}

/// A job, and where it was run: both are others each time.
struct Seen<'a> {
    data: &'a DataDir,
    job: JobId,
}

impl Seen<'_> {
    #[track_caller]
    fn same(&self, name: &str, text: &str) {
        let lines = text.lines().filter(|line| !is_of_machine(line));
        same(name, &lines.map(|line| self.masked(line) + "\n").collect::<String>());
    }

    fn masked(&self, line: &str) -> String {
        let job = self.job.to_string();
        let line = line
            .replace(self.data.path().to_str().unwrap(), "DATA")
            .replace(&job, "JOB")
            .replace(&job[job.len() - 8..], "SHORT");
        let (indent, line) = line.split_at(line.len() - line.trim_start().len());
        // What is masked may be wider or narrower: so are the gaps between columns.
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        let cells: Vec<_> = cells.map(without_numbers).collect();
        indent.to_owned() + &cells.join("  ")
    }
}

/// What differs from machine to machine: what it can enforce and measure.
fn is_of_machine(line: &str) -> bool {
    ["not enforced", "engine ", "used "].iter().any(|head| line.starts_with(head))
}

/// With what stands for times and for numbers that have a unit.
fn without_numbers(text: &str) -> String {
    let is_time =
        |word: &str| word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let mut words = text.split(' ').peekable();
    let mut masked: Vec<String> = vec![];
    while let Some(word) = words.next() {
        let next = words.peek().filter(|_| word.parse::<f64>().is_ok());
        match next.and_then(|next| unit(next)) {
            Some(unit) => {
                words.next();
                masked.push(unit);
            }
            None => masked.push(if is_time(word) { "WHEN".into() } else { word.into() }),
        }
    }
    masked.join(" ")
}

/// What stands for a number of this unit, with the mark behind it.
fn unit(word: &str) -> Option<String> {
    let plain = word.trim_end_matches([',', ':', ')']);
    let (stands, _) = UNITS.iter().find(|(_, all)| all.contains(&plain))?;
    Some(format!("{stands}{}", &word[plain.len()..]))
}

/// The help of a command and of all below it.
fn helps(data: &DataDir, path: &[&str], all: &mut String) {
    let text = stdout(&help_of(data, path, 100).output().unwrap(), 0);
    *all += &format!("$ {}\n{text}\n", [&["cagent"], path, &["--help"]].concat().join(" "));
    let (_, commands) = text.split_once("Commands:\n").unwrap_or_default();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        helps(data, &[path, &[name]].concat(), all);
    }
}

fn help_of(data: &DataDir, path: &[&str], columns: u16) -> Command {
    let mut command = bare(data);
    command.args(path).arg("--help").env("COLUMNS", columns.to_string());
    command
}

/// Fails if the committed text is another; with `UPDATE` it is this one then.
#[track_caller]
fn same(name: &str, text: &str) {
    let file = format!("{}/tests/cli/snapshots/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    let how = "UPDATE=1 cargo test -p cagent --test cli snapshots";
    assert!(text == wanted, "{file} is old ({how}); this came:\n{text}");
}

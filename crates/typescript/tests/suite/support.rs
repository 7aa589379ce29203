//! A directory of files, and the real `ts` and Node on them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use it, and they may panic"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// A temporary tree; goes away with the value.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    /// Writes the files, making their directories.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, content) in files {
            let path = tree.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        tree
    }

    /// Where a file of the tree is, links resolved as Node does.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    /// `ts` with these arguments, started in the tree.
    pub(crate) fn ts(&self, args: &[&str]) -> Done {
        Done::of(self.command(env!("CARGO_BIN_EXE_ts")).args(args))
    }

    /// `ts run` with these arguments, once on every Node.
    pub(crate) fn run(&self, args: &[&str]) -> Runs {
        let run = |node| Done::of(self.on(node).arg("run").args(args));
        Runs(nodes().iter().map(|node| (node, run(node))).collect())
    }

    /// `ts`, to be given arguments, with this Node in front of PATH.
    pub(crate) fn on(&self, node: &Node) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_ts"));
        command.env("PATH", &node.path);
        command
    }

    /// The machine's own `node`.
    pub(crate) fn node(&self, file: &str) -> Done {
        Done::of(self.command("node").arg(file))
    }

    /// A command that starts in the tree, with nothing on stdin.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("")).stdin(Stdio::null());
        command
    }
}

/// A Node to test with.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its version, as it says itself.
    pub(crate) version: String,
    /// A PATH that begins with it.
    path: OsString,
}

/// The machine's own Node, and those that `scripts/nodes` knows.
pub(crate) fn nodes() -> &'static [Node] {
    static NODES: LazyLock<Vec<Node>> = LazyLock::new(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/nodes");
        let found = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
        assert!(found.status.success(), "scripts/nodes failed; it says above why");
        let dirs = String::from_utf8(found.stdout).unwrap();
        let own = std::env::var_os("PATH").unwrap();
        let others = dirs.lines().map(|dir| {
            let rest = std::env::split_paths(&own);
            std::env::join_paths([PathBuf::from(dir)].into_iter().chain(rest)).unwrap()
        });
        [own.clone()].into_iter().chain(others).map(Node::found).collect()
    });
    &NODES
}

impl Node {
    fn found(path: OsString) -> Self {
        let output = Command::new("node").arg("--version").env("PATH", &path).output();
        let output = output.expect("these tests need `node` in PATH: install Node 18 or newer");
        Self { version: String::from_utf8(output.stdout).unwrap().trim().to_owned(), path }
    }
}

/// What the same command left behind on every Node.
#[derive(Debug)]
pub(crate) struct Runs(Vec<(&'static Node, Done)>);

impl Runs {
    /// The stdout, trimmed and the same of all, having exited with 0.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        let mut outputs = Vec::new();
        for (node, done) in self.0 {
            assert_eq!(done.code, Some(0), "{}: {done:?}", node.version);
            outputs.push((&node.version, done.stdout.trim_end().to_owned()));
        }
        let (first, expected) = &outputs[0];
        for (other, output) in &outputs {
            assert_eq!(output, expected, "{other} and {first} differ");
        }
        expected.clone()
    }

    /// Having exited with this code, its stderr is such.
    #[track_caller]
    pub(crate) fn bad(self, code: i32, such: impl Fn(&str) -> bool) {
        for (node, done) in self.0 {
            assert_eq!(done.code, Some(code), "{}: {done:?}", node.version);
            assert!(such(&done.stderr), "{}: {}", node.version, done.stderr);
        }
    }
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// Its stdout, trimmed, having exited with 0.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// Its stderr, having exited with this code.
    #[track_caller]
    pub(crate) fn bad(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// A path as the text a script prints.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

//! A directory of files, and the real `ts` and Node on them.
#![expect(clippy::unwrap_used, reason = "only tests use it, and they may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

    /// `ts run` with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        require_node();
        self.ts(&[&["run"], args].concat())
    }

    /// Plain `node`.
    pub(crate) fn node(&self, file: &str) -> Done {
        require_node();
        Done::of(self.command("node").arg(file))
    }

    /// A command that starts in the tree, with nothing on stdin.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("")).stdin(Stdio::null());
        command
    }
}

fn require_node() {
    let found = Command::new("node").arg("--version").output();
    assert!(found.is_ok(), "these tests need `node` in PATH: install Node 18.19 or newer");
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

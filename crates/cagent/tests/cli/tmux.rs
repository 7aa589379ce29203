//! The commands that draw, in a terminal that people use: tmux, with a shell in it.

use std::process::Command;
use std::time::{Duration, Instant};

use testkit::{PATIENCE, Server};
use types::EventKind;

use crate::support::{CAGENT, bash, cagent, with_a_model};

/// Between two looks at the screen.
const PAUSE: Duration = Duration::from_millis(20);

/// A terminal of its own, with `sh` in it. Gone with all that runs there when it is dropped.
struct Tmux {
    /// Where its server listens; nobody else's is touched.
    folder: tempfile::TempDir,
}

impl Tmux {
    fn start(server: &Server, (columns, rows): (u16, u16)) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // Settings of whoever runs the tests stay out of it, as they do elsewhere.
        let own = cagent(server.data_dir(), &[]);
        let mut tmux = this.command();
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => tmux.env(name, value),
                None => tmux.env_remove(name),
            };
        }
        tmux.current_dir(server.data_dir().path().parent().unwrap());
        tmux.env("PS1", "$ ").env("DATA", server.data_dir().path()).env("CAGENT", CAGENT);
        tmux.env_remove("NO_COLOR").env_remove("ENV");
        tmux.args(["new-session", "-d", "-x", &columns, "-y", &rows, "sh"]);
        let made = tmux.output().expect("tmux is not here; `make testsetup` installs it");
        assert!(made.status.success(), "{made:?}");
        this.types("alias cagent='\"$CAGENT\" --data-dir \"$DATA\"'; clear; echo rea''dy");
        this.until_has("ready");
        this
    }

    /// Types a line and presses Enter.
    fn types(&self, line: &str) {
        self.call(&["send-keys", "-l", line]);
        self.presses("Enter");
    }

    /// Presses a key, by tmux's name of it.
    fn presses(&self, key: &str) {
        self.call(&["send-keys", key]);
    }

    fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.call(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What stands on the screen.
    fn screen(&self) -> String {
        self.call(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "this is not what was waited for:\n{screen}");
            std::thread::sleep(PAUSE);
        }
    }

    #[track_caller]
    fn until_has(&self, text: &str) -> String {
        self.until(|screen| screen.contains(text))
    }

    /// Whether programs left the terminal as a shell wants it.
    #[track_caller]
    fn assert_usual(&self) {
        let state =
            self.call(&["display-message", "-p", "#{alternate_on}#{cursor_flag}#{mouse_any_flag}"]);
        assert_eq!(state.trim(), "010", "another screen, no cursor, or a mouse that is taken");
    }

    /// One call of tmux; the answer.
    #[track_caller]
    fn call(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().unwrap();
        assert!(output.status.success(), "tmux {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command
            .arg("-f/dev/null")
            .arg("-S")
            .arg(self.folder.path().join("socket"))
            .env_remove("TMUX");
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

/// Says that it is there, and waits for a file `go`.
const PATIENT: &str = "echo I am here; until [ -e go ]; do sleep 0.1; done";

#[tokio::test(flavor = "multi_thread")]
async fn run_draws_a_checklist_and_ends_with_a_report() {
    let (_model, server) = with_a_model().await;
    let tmux = Tmux::start(&server, (100, 50));
    let drawn = tmux.folder.path().join("drawn");
    tmux.call(&["pipe-pane", &format!("cat > {}", drawn.display())]);
    let task = "Create a Python script that calculates Fibonacci numbers, with tests";
    tmux.types(&format!("cagent run '{task}'; echo code $?"));
    let screen = tmux.until_has("\ncode 0");
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("no {text:?} in:\n{screen}"));
    let parts = [
        "\njob ",
        "✓ [1] file: test_fib.py",
        "✗ [3] bash: python3 -m unittest",
        "✓ complete, verified",
        "✓ the 10th number is 55",
        "ZIP ",
        "next  cagent download",
    ];
    assert!(parts.map(at).is_sorted(), "{screen}");
    // What was drawn below them meanwhile is gone.
    assert!(!screen.contains("Write the script") && !screen.contains("thinking"), "{screen}");
    let was_drawn = |_: &str| {
        let drawn = std::fs::read_to_string(&drawn).unwrap_or_default();
        ["Write the script", "thinking…", "steps · "].iter().all(|part| drawn.contains(part))
    };
    tmux.until(was_drawn);
    tmux.assert_usual();
}

#[tokio::test(flavor = "multi_thread")]
async fn run_shows_what_a_step_writes_while_it_does_also_in_a_narrow_window() {
    let server = Server::start(CAGENT).await;
    let tmux = Tmux::start(&server, (80, 24));
    let runbook = server.data_dir().path().parent().unwrap().join("patient.md");
    std::fs::write(runbook, bash(PATIENT)).unwrap();
    tmux.types("cagent run patient.md; echo code $?");
    tmux.until_has("│ I am here");
    tmux.resize(30, 10);
    let narrow = |screen: &str| {
        screen.contains("│ I am here") && screen.contains("[1] bash") && screen.contains('…')
    };
    tmux.until(narrow);
    tmux.presses("C-c");
    tmux.until_has("[c]ancel");
    tmux.presses("d");
    tmux.until_has("code 0");
    tmux.assert_usual();
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_lists_opens_and_leaves_what_was_there() {
    let server = Server::start(CAGENT).await;
    let job = server.client().run(&bash("echo a line of output")).await;
    server.client().wait_end(job).await;
    let tmux = Tmux::start(&server, (100, 30));
    tmux.types("stty -g > modes; echo I was here first");
    tmux.until(|screen| screen.contains("\nI was here first"));
    tmux.types("export NO_COLOR=1; cagent watch; echo code $?");
    tmux.until(|screen| screen.contains("1 job, 0 not over") && screen.contains("› ✓ complete"));
    tmux.presses("Enter");
    tmux.until(|screen| screen.contains("plan and steps") && screen.contains("✓ [1] bash"));
    tmux.presses("Escape");
    tmux.until_has("1 job, 0 not over");
    tmux.presses("q");
    let screen = tmux.until_has("code 0");
    assert!(screen.contains("\nI was here first") && !screen.contains("not over"), "{screen}");
    tmux.types("stty -g | cmp - modes && echo as it w''as");
    tmux.until_has("as it was");
    tmux.assert_usual();
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_is_a_shell_with_ctrl_c_a_size_and_an_end() {
    let server = Server::start(CAGENT).await;
    let job = server.client().run(&bash(PATIENT)).await;
    let says = |event: &EventKind| matches!(event, EventKind::Output { .. });
    server.client().events_until(job, |event| says(&event.event)).await;
    let tmux = Tmux::start(&server, (90, 30));
    tmux.types(&format!("cagent attach {job}; echo code $?"));
    // Its first prompt: keys are passed on by then.
    tmux.until(|screen| screen.contains("attach") && screen.trim_end().ends_with('$'));
    tmux.types("echo in''side $PWD");
    tmux.until_has("inside /workspace");
    tmux.types("stty size");
    tmux.until(|screen| screen.contains("\n30 90"));
    tmux.resize(120, 40);
    tmux.types("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo lar''ger");
    tmux.until_has("larger");
    // It says so itself: the shell's own word could come before the terminal is the program's.
    tmux.types("sh -c 'echo slee''ps; exec sleep 1000'");
    tmux.until(|screen| screen.contains("\nsleeps"));
    tmux.presses("C-c");
    tmux.types("echo interrup''ted $?");
    tmux.until_has("interrupted 130");
    tmux.types("exit 7");
    tmux.until_has("code 7");
    tmux.types("stty size; echo mine a''gain");
    let screen = tmux.until_has("mine again");
    assert!(screen.contains("\n40 120\nmine again"), "{screen}");
    tmux.assert_usual();
}

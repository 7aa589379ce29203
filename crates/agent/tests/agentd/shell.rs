//! What people run beside the steps: with a terminal and with pipes; and that nothing of it is left.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use protocol::shell::{
    FromShell, Incoming, MAX_BODY_BYTES, Signal, Size, Start, Terminal, ToShell, WINDOW_BYTES, send,
};
use protocol::{Target, Verdict};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use crate::gateway::{Gateway, PATIENCE};
use crate::sandbox::{Sandbox, Users, bash};

/// A person at it.
pub(crate) struct Person {
    from: Incoming<ReadHalf<TokioIo<Upgraded>>, FromShell>,
    to: WriteHalf<TokioIo<Upgraded>>,
    output: String,
    errors: String,
    taken: usize,
}

impl Person {
    /// Runs something: a line for `sh -c`, or the usual shell at a terminal.
    pub(crate) async fn start(gateway: &Gateway, n: u64, line: Option<&str>) -> Self {
        let size = Size { rows: 31, cols: 91 };
        let terminal = line.is_none().then(|| Terminal { kind: "xterm-256color".into(), size });
        let command = line.map(|line| ["sh", "-c", line].map(str::to_owned).into());
        Self::run(gateway, n, Start::new(command.unwrap_or_default(), terminal).unwrap()).await
    }

    async fn run(gateway: &Gateway, n: u64, start: Start) -> Self {
        let stream = gateway.dial(n, Target::Shell, 1).await.unwrap().unwrap();
        let (from, to) = split(stream);
        let (output, errors) = (String::new(), String::new());
        let mut person = Self { from: Incoming::new(from), to, output, errors, taken: 0 };
        person.tell(ToShell::Start(start)).await;
        person
    }

    async fn tell(&mut self, what: ToShell) {
        send(&mut self.to, &what).await.unwrap();
    }

    pub(crate) async fn types(&mut self, text: &str) {
        self.tell(ToShell::Input(Bytes::copy_from_slice(text.as_bytes()))).await;
    }

    /// Hears one thing more: its exit code, if it is that; `Err` if the connection ended.
    async fn hear(&mut self) -> Result<Option<i32>, ()> {
        let text = |bytes: Bytes| String::from_utf8(bytes.into()).unwrap();
        match self.from.next().await {
            Ok(Some(FromShell::Output(bytes))) => self.output += &text(bytes),
            Ok(Some(FromShell::Errors(bytes))) => self.errors += &text(bytes),
            Ok(Some(FromShell::Taken(bytes))) => self.taken += bytes as usize,
            Ok(Some(FromShell::Exit(code))) => return Ok(Some(code)),
            Ok(None) | Err(_) => return Err(()),
        }
        Ok(None)
    }

    /// Waits until it has written this, and forgets all up to there.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.output.contains(text) {
            let heard = timeout(PATIENCE / 2, self.hear()).await;
            assert_eq!(heard, Ok(Ok(None)), "{text:?} is not in {:?}", self.output);
        }
        let at = self.output.find(text).unwrap() + text.len();
        self.output.drain(..at);
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> i32 {
        loop {
            let heard = timeout(PATIENCE / 2, self.hear()).await.expect(&self.output);
            if let Some(code) = heard.expect(&self.output) {
                assert_eq!(self.hear().await, Err(()), "something came after its end");
                return code;
            }
        }
    }

    /// Waits until the connection ends without an exit code.
    async fn cut(&mut self) {
        while let Ok(code) = self.hear().await {
            assert_eq!(code, None);
        }
    }
}

/// A job whose first step leaves a variable, and whose second one waits for [`finish`].
fn job(users: Users) -> Sandbox {
    let wait = "echo ready; until [ -e \"$HOME/../workspace/done\" ]; do sleep 0.05; done";
    let blocks = vec![bash("export LEFT=behind"), bash(wait), bash("echo after")];
    let sandbox = Sandbox::start_as(users, blocks, None);
    sandbox.gateway.wait_for_output("ready");
    sandbox
}

fn finish(sandbox: Sandbox) {
    fs::write(sandbox.workspace("done"), "").unwrap();
    let (log, _) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps().len(), 3, "what people run is no step");
    assert_eq!(log.stdout(), "ready\nafter\n", "and no output of one");
}

/// A number of seconds that no other process of this machine sleeps.
fn mark() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("77{}{:03}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn sleeps(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let said = processes.filter_map(|one| fs::read(one.path().join("cmdline")).ok());
    said.into_iter().any(|line| line == format!("sleep\0{mark}\0").into_bytes())
}

async fn until_it_sleeps(mark: &str, wanted: bool) {
    let slept = async {
        while sleeps(mark) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE / 2, slept).await.expect("it sleeps, or not, in vain");
}

#[test]
fn pipes_go_both_ways_and_the_exit_code_comes_back() {
    let sandbox = job(Users::One);
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        let line = "cat; echo \"$LEFT $PWD $TERM\" >&2; [ -t 0 ] || exit 7";
        let mut person = Person::start(gateway, 1, Some(line)).await;
        let text = "x".repeat(MAX_BODY_BYTES);
        for i in 0..64 {
            person.types(&text).await;
            while person.output.len() <= i * text.len() || person.taken <= i * text.len() {
                assert_eq!(person.hear().await, Ok(None));
            }
        }
        person.tell(ToShell::InputEnd).await;
        assert_eq!(person.exit().await, 7);
        assert!(person.output == text.repeat(64));
        let workspace = sandbox.workspace("");
        let here = workspace.to_str().unwrap().trim_end_matches('/');
        assert_eq!(person.errors, format!("behind {here} dumb\n"));

        let nothing = Start::new(vec!["no-such-program".into()], None).unwrap();
        let mut person = Person::run(gateway, 2, nothing).await;
        assert_eq!(person.exit().await, 127);
        assert!(person.errors.contains("no-such-program is not in this sandbox"));
        fs::write(sandbox.workspace("mine"), "#!/bin/sh\necho mine").unwrap();
        let start = Start::new(vec!["./mine".into()], None).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(sandbox.workspace("mine"), mode).unwrap();
        let mut person = Person::run(gateway, 4, start).await;
        person.until("mine\n").await;
        assert_eq!(person.exit().await, 0);
    });
    finish(sandbox);
}

#[test]
fn a_terminal_is_one() {
    for users in [Users::One, Users::Two] {
        let sandbox = job(users);
        let gateway = &sandbox.gateway;
        gateway.wait_for(async {
            let mut person = Person::start(gateway, 1, None).await;
            person.types("PS1=; bind 'set enable-bracketed-paste off'\r").await;
            person.types("echo $((40 + 2)) $LEFT $TERM ${PAGER-none}\r").await;
            person.until("\r\n42 behind xterm-256color none\r\n").await;
            person.types("stty size; echo to-it > $(tty); echo to-me > /dev/tty\r").await;
            person.until("\r\n31 91\r\nto-it\r\nto-me\r\n").await;
            person.tell(ToShell::Resize(Size { rows: 50, cols: 132 })).await;
            person.types("stty size\r").await;
            person.until("\r\n50 132\r\n").await;
            // Ctrl-C ends what runs, and not the shell; Ctrl-Z stops it.
            let mark = mark();
            person.types(&format!("sleep {mark}\r")).await;
            until_it_sleeps(&mark, true).await;
            person.types("\x03").await;
            until_it_sleeps(&mark, false).await;
            person.types("echo code $?\r").await;
            person.until("\r\ncode 130\r\n").await;
            person.types(&format!("sleep {mark}\r")).await;
            until_it_sleeps(&mark, true).await;
            person.types("\x1a").await;
            person.until("Stopped").await;
            // Of jobs that are stopped it warns once.
            person.types("kill %1\rexit 9\rexit 9\r").await;
            assert_eq!(person.exit().await, 9);
            until_it_sleeps(&mark, false).await;
        });
        finish(sandbox);
    }
}

#[test]
fn nothing_is_left_of_it() {
    let sandbox = job(Users::One);
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        // Its own end.
        let one = mark();
        let line =
            format!("setsid nohup sleep {one} & until pgrep -f '^sleep {one}'; do :; done; exit 3");
        let mut person = Person::start(gateway, 1, Some(&line)).await;
        assert_eq!(person.exit().await, 3);
        assert!(!sleeps(&one), "it was told too early that it ended");

        // The end of the connection, with and without a terminal.
        for (n, line) in [(2, None), (3, Some("cat | sh"))] {
            let (plain, apart, deaf) = (mark(), mark(), mark());
            let mut person = Person::start(gateway, n, line).await;
            let (one, two) =
                (format!("sleep {plain} & setsid nohup sleep {apart} &"), "trap '' HUP TERM");
            person
                .types(
                    &format!("{one}\r\n(setsid sh -c \"{two}; sleep {deaf}; sleep {deaf}\" &)\r\n")
                        .replace('\r', if line.is_some() { "" } else { "\r" }),
                )
                .await;
            for mark in [&plain, &apart, &deaf] {
                until_it_sleeps(mark, true).await;
            }
            drop(person);
            for mark in [&plain, &apart, &deaf] {
                until_it_sleeps(mark, false).await;
            }
        }
    });
    finish(sandbox);
}

#[test]
fn one_that_reads_nothing_is_interrupted_and_left_all_the_same() {
    let sandbox = job(Users::One);
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        for (n, leaves) in [(1, false), (2, true)] {
            let mark = mark();
            let mut person = Person::start(gateway, n, Some(&format!("exec sleep {mark}"))).await;
            for _ in 0..WINDOW_BYTES / MAX_BODY_BYTES {
                person.types(&"x".repeat(MAX_BODY_BYTES)).await;
            }
            until_it_sleeps(&mark, true).await;
            if leaves {
                drop(person);
            } else {
                person.tell(ToShell::Signal(Signal::Interrupt)).await;
                assert_eq!(person.exit().await, 130);
            }
            until_it_sleeps(&mark, false).await;
        }
        let mut person = Person::start(
            gateway,
            3,
            Some("trap 'exit 5' TERM; echo on; while :; do sleep 0.05; done"),
        )
        .await;
        person.until("on").await;
        person.tell(ToShell::Signal(Signal::Terminate)).await;
        assert_eq!(person.exit().await, 5);
    });
    finish(sandbox);
}

#[test]
fn who_breaks_the_rules_is_cut_off() {
    let sandbox = job(Users::One);
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        let start = [0, 0, 0, 2, 0, b'{'];
        let foul: [&[u8]; 5] =
            [&[0xff; 64], &[0, 0, 0, 1, 1], &[0, 0, 0, 1, 99], &start, &[0, 0, 0, 2, 4, 9]];
        for (n, foul) in (1..).zip(foul) {
            let mark = mark();
            let line = format!("exec sleep {mark}");
            let mut person = Person::start(gateway, n, Some(&line)).await;
            until_it_sleeps(&mark, true).await;
            person.to.write_all(foul).await.unwrap();
            person.cut().await;
            until_it_sleeps(&mark, false).await;
        }
        // More than is taken.
        let mark = mark();
        let mut person = Person::start(gateway, 10, Some(&format!("exec sleep {mark}"))).await;
        until_it_sleeps(&mark, true).await;
        for _ in 0..=1 + WINDOW_BYTES / MAX_BODY_BYTES {
            let text = Bytes::from(vec![b'x'; MAX_BODY_BYTES]);
            // It may be cut off already: what is in the pipe was taken.
            drop(send(&mut person.to, &ToShell::Input(text)).await);
        }
        person.cut().await;
        until_it_sleeps(&mark, false).await;
    });
    finish(sandbox);
}

#[test]
fn so_many_at_once_and_no_more() {
    let sandbox = job(Users::One);
    let gateway = &sandbox.gateway;
    gateway.wait_for(async {
        let mut all = vec![];
        for n in 1..=8 {
            let mut person = Person::start(gateway, n, Some("echo on; cat")).await;
            person.until("on").await;
            all.push(person);
        }
        let why = gateway.dial(9, Target::Shell, 1).await.unwrap().unwrap_err();
        assert_eq!(why, "8 shells are open in this sandbox already; close one");
        let mut last = all.pop().unwrap();
        last.tell(ToShell::InputEnd).await;
        assert_eq!(last.exit().await, 0);
        let mut n = 10;
        // Its place is free a moment after that.
        while gateway.dial(n, Target::Shell, 1).await.unwrap().is_err() {
            n += 1;
        }
    });
    finish(sandbox);
}

#[test]
fn it_lives_on_between_steps_and_ends_with_the_job() {
    let blocks = ["one", "two"]
        .map(|name| bash(&format!("echo {name}; until [ -e {name} ]; do sleep 0.05; done")));
    let sandbox = Sandbox::start(blocks.into());
    let gateway = &sandbox.gateway;
    gateway.wait_for_output("one");
    let mark = mark();
    let mut person = gateway.wait_for(async {
        let mut person = Person::start(gateway, 1, None).await;
        person.types(&format!("sleep {mark} &\r")).await;
        until_it_sleeps(&mark, true).await;
        person
    });
    fs::write(sandbox.workspace("one"), "").unwrap();
    gateway.wait_for_output("two");
    gateway.wait_for(async {
        assert!(sleeps(&mark), "it was ended with a step");
        person.types("PS1=; echo still $((1 + 1))\r").await;
        person.until("still 2").await;
        fs::write(sandbox.workspace("two"), "").unwrap();
        person.cut().await;
        until_it_sleeps(&mark, false).await;
    });
    assert_eq!(sandbox.finish().0.verdict(), Verdict::Complete);
}

#[test]
fn it_goes_with_the_orchestrator() {
    let mut sandbox = job(Users::One);
    let mark = mark();
    let gateway = &sandbox.gateway;
    let person = gateway.wait_for(async {
        let person = Person::start(gateway, 1, Some(&format!("exec sleep {mark}"))).await;
        until_it_sleeps(&mark, true).await;
        person
    });
    drop(person);
    sandbox.gateway.stop();
    sandbox.gateway.start();
    let gateway = &sandbox.gateway;
    gateway.wait_for(until_it_sleeps(&mark, false));
    gateway.wait_for(async {
        let mut person = Person::start(gateway, 2, Some("echo again")).await;
        assert_eq!(person.exit().await, 0);
    });
    finish(sandbox);
}

//! What the tools do in a real sandbox, asked for by a scripted model.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use protocol::{ReportKind, Verdict};
use serde_json::json;
use types::StepOutcome::{Cancelled, Failed, Ok as Fine, Rejected, TimedOut};
use types::{Part, StepKind, ToolCall, Waiting};

use crate::gateway::Hosts;
use crate::log::Log;
use crate::sandbox::{Sandbox, Users, bash, rooms, spec};
use crate::script::{
    TRIVIAL, call, calls, finish, results_of, run, script, shell, start, start_in, task,
    text_of_parts, write,
};

fn background(command: &str) -> ToolCall {
    call("background", json!({ "command": command }))
}

fn process(id: u32, more: serde_json::Value) -> ToolCall {
    let mut arguments = json!({ "id": id, "wait_seconds": 60 });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call("process", arguments)
}

/// What the model was shown of each call of its only answer.
fn shown(log: &Log) -> Vec<String> {
    let results = results_of(log.questions.last().unwrap());
    results.iter().map(|result| text_of_parts(&result.parts)).collect()
}

/// Does these calls, one after the other; what was shown of each, and what is left.
fn show(wanted: Vec<ToolCall>) -> (Vec<String>, Log, tempfile::TempDir) {
    let (log, dir) = run(vec![calls(wanted), calls(vec![finish(&[], &[])])]);
    assert_eq!(log.verdict(), Verdict::Complete);
    (shown(&log), log, dir)
}

fn codes(log: &Log) -> Vec<(StepKind, String, Option<String>)> {
    let begun = |report: &protocol::Report| match &report.report {
        ReportKind::StepStarted { kind, title, code, .. } => {
            Some((*kind, title.clone(), code.clone()))
        }
        _ => None,
    };
    log.reports.iter().filter_map(begun).collect()
}

#[test]
fn files_are_written_changed_and_read() {
    let edit = |old: &str| call("edit_file", json!({ "path": "a.txt", "old": old, "new": "2" }));
    let (shown, log, dir) = show(vec![
        shell("mkdir sub; cd sub"),
        write("a.txt", "one\ntwo\nthree\n"),
        edit("two"),
        edit("four"),
        call("read_file", json!({ "path": "../sub/./a.txt", "from_line": 2 })),
        call("read_file", json!({ "path": "nothing" })),
        call("read_file", json!({ "path": "/etc" })),
        write("/etc/x", "x"),
        write("../.cagent/x", "x"),
    ]);
    assert_eq!(shown[1], "written: sub/a.txt, 14 bytes, 3 lines");
    assert_eq!(shown[2], "changed: sub/a.txt\n@@ line 2 @@\n one\n-two\n+2\n three");
    assert!(shown[3].contains("`old` is not in the file"), "{shown:?}");
    assert_eq!(shown[4], "     2\t2\n     3\tthree\n");
    assert!(shown[5].ends_with("/workspace/sub/nothing: there is no such file"), "{shown:?}");
    assert!(shown[6].starts_with("/etc: it is a directory"), "{shown:?}");
    assert!(shown[7].contains("write there only") && shown[8].contains("reserved"), "{shown:?}");
    let begun = codes(&log);
    assert_eq!(begun[1], (StepKind::File, "sub/a.txt".into(), Some("one\ntwo\nthree\n".into())));
    assert_eq!(begun[2], (StepKind::File, "sub/a.txt".into(), Some("one\n2\nthree\n".into())));
    assert_eq!(begun[3], (StepKind::File, "a.txt".into(), None));
    assert_eq!((begun[4].0, &begun[4].2), (StepKind::Read, &None));
    let ends: Vec<_> = log.steps().into_iter().map(|(outcome, _)| outcome).collect();
    assert_eq!(ends, [Fine, Fine, Fine, Failed, Fine, Failed, Failed, Failed, Failed]);
    let written = fs::read_to_string(dir.path().join("workspace/sub/a.txt")).unwrap();
    assert_eq!(written, "one\n2\nthree\n");
    let ignored = fs::read_to_string(dir.path().join("workspace/.cagent/.gitignore")).unwrap();
    assert_eq!(ignored, "*\n", "no repository of the job takes the agent's own files");
}

#[test]
fn neither_pipes_nor_devices_nor_links_do_harm() {
    let (shown, _, dir) = show(vec![
        shell("mkfifo pipe; ln -s /dev/zero zero; ln -s ../home out; ln -s ../home/x link"),
        call("read_file", json!({ "path": "pipe" })),
        call("read_file", json!({ "path": "zero" })),
        call("view_image", json!({ "path": "pipe" })),
        call("edit_file", json!({ "path": "pipe", "old": "a", "new": "b" })),
        write("pipe", "x"),
        write("out/x", "x"),
        write("link", "x"),
    ]);
    for text in &shown[1..5] {
        assert!(text.contains("it is no regular file"), "{text}");
    }
    assert!(shown[5].starts_with("not written: "), "{shown:?}");
    for text in &shown[6..] {
        assert!(text.contains("links are not followed"), "{text}");
    }
    assert_eq!(fs::read_dir(dir.path().join("home")).unwrap().count(), 0);
}

#[test]
fn pictures_are_shown() {
    let make = "import struct, zlib
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = b''.join(b'\\0' + b'\\xff\\0\\0' * 3 for _ in range(2))
open('p.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 3, 2, 8, 2, 0, 0, 0))
    + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))";
    let (shown, log, _) = show(vec![
        call("python", json!({ "code": make })),
        call("view_image", json!({ "path": "p.png" })),
        call("view_image", json!({ "path": "/etc/passwd" })),
        call("read_file", json!({ "path": "p.png" })),
    ]);
    let results = results_of(log.questions.last().unwrap());
    let Part::Image { media_type, width, height, .. } = &results[1].parts[0] else {
        panic!("{results:?}")
    };
    assert_eq!((&**media_type, *width, *height), ("image/png", 3, 2));
    assert!(shown[2].contains("no png"), "{shown:?}");
    assert!(shown[3].contains("bytes that are no text") && shown[3].contains("a picture"));
}

#[test]
fn what_goes_on_in_the_background_is_talked_to_while_all_else_dies() {
    let talker = "setsid sleep 1000 & echo $! > daemon
        while read line; do echo \"got $line\"; done; echo bye >&2; kill $(cat daemon); exit 3";
    let alive =
        "for name in daemon stray; do kill -0 $(cat $name) 2>/dev/null && echo $name; done; true";
    let (shown, log, _) = show(vec![
        background(talker),
        shell("setsid sleep 1000 & echo $! > stray; while [ ! -s daemon ]; do sleep 0.01; done"),
        process(1, json!({ "input": "one\ntwo\n" })),
        shell(alive),
        process(1, json!({ "close_input": true })),
        process(1, json!({ "input": "three\n" })),
        process(9, json!({})),
        shell(alive),
    ]);
    assert_eq!(shown[0], "process 1 is running, no new output");
    assert_eq!(shown[2], "process 1 is running; new output:\ngot one\ngot two");
    assert_eq!(shown[3], "exit code 0\ndaemon");
    assert!(
        shown[4].starts_with("process 1 has ended with exit code 3; new output:\nbye"),
        "{shown:?}"
    );
    assert_eq!(
        shown[5],
        "[its input is closed]\nprocess 1 has ended with exit code 3, no new output"
    );
    assert_eq!(shown[6], "there is no background process 9; there are: none");
    assert_eq!(shown[7], "exit code 0, no output");
    assert_eq!(codes(&log)[0].0, StepKind::Background);
    assert!(log.notices().contains(&"the background process of step 1 ended with exit code 3"));
    let wrote = |step: u32| {
        log.reports.iter().any(
            |report| matches!(&report.report, ReportKind::Output { step: of, .. } if *of == step),
        )
    };
    assert!(wrote(1) && !wrote(3), "output belongs to who wrote it");
}

#[test]
fn signals_reach_all_that_a_background_process_started() {
    let (shown, ..) = show(vec![
        background("sleep 1000 & setsid sleep 1000 & trap 'echo int; exit 7' INT; touch up; wait"),
        shell("while [ ! -e up ]; do sleep 0.01; done"),
        process(1, json!({ "signal": "INT", "wait_seconds": 1 })),
        process(1, json!({ "signal": "KILL" })),
        shell("ps -eo comm= | grep -c sleep || true"),
        background("exit 5"),
        background("no-such-program"),
        background("sleep 0.3; echo late"),
        shell("while [ \"$(ps -eo comm= | grep -c '^exe$')\" != 0 ]; do sleep 0.02; done"),
    ]);
    assert!(shown[2].contains("int"), "{shown:?}");
    assert!(shown[3].contains("has ended with exit code 7"), "{shown:?}");
    assert_eq!(shown[4], "exit code 0\n0");
    assert_eq!(shown[5], "process 6 has ended with exit code 5, no new output");
    assert!(shown[6].contains("exit code 127; new output:") && shown[6].contains("not found"));
    assert_eq!(shown[7], "process 8 is running, no new output");
    assert!(
        shown[8].contains("[background process 8 (sleep 0.3; echo late) has ended"),
        "{shown:?}"
    );
}

#[test]
fn who_lost_its_keeper_ends_with_the_next_step() {
    let (shown, ..) = show(vec![
        background("setsid sleep 1000 & echo $! > pid; wait"),
        shell(
            "while [ ! -s pid ]; do sleep 0.01; done
            keeper=$(ps -eo pid=,args= | awk '/ keep / && !/awk/ {print $1}'); kill -9 $keeper
            while kill -0 $keeper 2>/dev/null; do sleep 0.01; done",
        ),
        shell("kill -0 $(cat pid) 2>/dev/null || echo gone"),
    ]);
    assert!(shown[1].contains("has ended with exit code 137"), "{shown:?}");
    assert_eq!(shown[2], "exit code 0\ngone");
}

#[test]
fn a_step_ends_though_the_background_holds_its_pipe_and_a_storm_spares_the_background() {
    let holder = "while [ ! -s pid ]; do sleep 0.01; done
        exec 3>/proc/$(cat pid)/fd/1; touch held; sleep 1000";
    let storm = "storm() { setsid bash -c 'while :; do sleep 0.01 & sleep 0.01; done' & }
        for i in $(seq 5); do storm; done; sleep 0.2";
    let (shown, ..) = show(vec![
        background(holder),
        shell("echo $$ > pid; while [ ! -e held ]; do sleep 0.01; done; echo ok"),
        shell(storm),
        shell("ps -eo comm= | sort | uniq -c | grep -c sleep"),
    ]);
    assert_eq!(shown[1], "exit code 0\nok");
    assert_eq!(shown[3], "exit code 0\n1", "{shown:?}");
}

#[test]
fn no_more_than_eight_live_at_a_time_and_all_end_with_the_job() {
    let nine = (0..9).map(|_| background("sleep 1000")).collect();
    let began = Instant::now();
    let (shown, log, _) = show(nine);
    assert!(
        shown[8].starts_with("8 background processes are running (1 (sleep 1000), 2 "),
        "{shown:?}"
    );
    assert_eq!(log.steps().last().unwrap().0, Failed);
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn what_is_too_long_is_cut_and_kept() {
    let (shown, _, dir) = show(vec![
        shell("seq 100000"),
        shell(
            "printf '\\033[31mred\\033[0m\\n10%%\\r100%%\\n'; echo err >&2; head -c 3000 /dev/zero",
        ),
        shell("rm -rf .cagent/output; ln -s /tmp .cagent/output; seq 100000"),
    ]);
    let kept = dir.path().join("workspace/.cagent/output/1.txt");
    assert!(shown[0].starts_with("exit code 0\n1\n2\n") && shown[0].ends_with("\n99999\n100000"));
    assert!(shown[0].len() < 10_300, "{}", shown[0].len());
    assert!(shown[0].contains(&format!("bytes left out; all of it is in {}]", kept.display())));
    // What came on the other stream may stand between two lines.
    let lines = ["red\n", "\n100%\n", "err\n"];
    assert!(lines.iter().all(|line| shown[1].contains(line)), "{shown:?}");
    assert!(shown[1].contains("[3000 bytes that are no text, sha256 "), "{shown:?}");
    assert!(shown[2].contains("they could not be kept: "), "{shown:?}");
}

#[test]
fn of_fifty_megabytes_the_beginning_is_kept_with_flat_memory() {
    let all = "import sys\nfor n in range(5_000_000): sys.stdout.write('%09d\\n' % n)";
    let wait = "while [ ! -e go ]; do sleep 0.02; done";
    let answers = vec![
        calls(vec![call("python", json!({ "code": all })), shell(wait)]),
        calls(vec![finish(&[], &[])]),
    ];
    let sandbox = start(task(TRIVIAL), script(answers));
    sandbox.gateway.wait("the end of step 1", |log| (log.steps().len() == 1).then_some(()));
    let status = fs::read_to_string(format!("/proc/{}/status", sandbox.agentd_pid())).unwrap();
    fs::write(sandbox.workspace("go"), "").unwrap();
    let (log, dir) = sandbox.finish();
    let kept = fs::read(dir.path().join("workspace/.cagent/output/1.txt")).unwrap();
    assert!(kept.len() <= 8 << 20, "{} bytes fill a small disk", kept.len());
    assert!(kept.starts_with(b"000000000\n000000001\n"));
    let shown = &shown(&log)[0];
    assert!(shown.contains("the beginning of it is in /") && shown.ends_with("004999999"));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    eprintln!("agentd had {kib} KiB");
    assert!(kib < 40 * 1024, "agentd took {kib} KiB");
}

#[test]
fn a_timeout_shows_what_came_until_then() {
    let slow = call("shell", json!({ "command": "echo begun; sleep 1000", "timeout_seconds": 1 }));
    let (shown, log, _) = show(vec![slow]);
    let expected = "stopped after its timeout of 1 s with everything it started; exit code 143 \
                    (signal 15); what came until then\nbegun";
    assert!(shown[0].starts_with(expected), "{shown:?}");
    assert_eq!(log.steps(), [(TimedOut, Some(143))]);
}

#[test]
fn a_cancel_ends_a_wait_for_a_process() {
    let answers = vec![calls(vec![background("sleep 1000"), process(1, json!({}))])];
    let sandbox = start(task(TRIVIAL), script(answers));
    sandbox.gateway.wait("the wait", |log| (codes(log).len() == 2).then_some(()));
    sandbox.gateway.cancel();
    let (verdict, steps) = sandbox.gateway.wait("the end", |log| {
        matches!(log.reports.last()?.report, ReportKind::Finished(_))
            .then(|| (log.verdict(), log.steps()))
    });
    assert_eq!(verdict, Verdict::Cancelled);
    assert_eq!(steps.last(), Some(&(Cancelled, None)));
}

#[test]
fn blocks_of_a_runbook_wait_for_a_person_too() {
    let spec =
        protocol::AgentSpec { approve: true, ..spec(vec![bash("echo one"), bash("echo two")]) };
    let sandbox =
        Sandbox::start_in(rooms(Users::One), Users::One, spec, Hosts::new(), script(vec![]));
    for step in [1, 2] {
        sandbox.gateway.wait("a question", |log| {
            let asked =
                log.reports.iter().filter(|r| matches!(r.report, ReportKind::Waiting { .. }));
            (asked.count() == step).then_some(())
        });
        sandbox.gateway.decide(u32::try_from(step).unwrap(), step == 1, Some("not this"));
    }
    let (log, _dir) = sandbox.finish();
    let shown = log.reports.iter().find_map(|report| match &report.report {
        ReportKind::Waiting { waiting: Waiting::Approval { code, .. } } => code.clone(),
        _ => None,
    });
    assert_eq!(shown.as_deref(), Some("echo one"));
    assert_eq!(log.stdout(), "one\n");
    assert_eq!(log.steps(), [(Fine, Some(0)), (Rejected, None)]);
    assert_eq!(log.gave_up().1, "step 2 (a block, line 7) was rejected by a person: not this");
}

#[test]
fn a_person_approves_what_a_step_does_and_nothing_that_does_nothing() {
    let edit = |path: &str| call("edit_file", json!({ "path": path, "old": "b", "new": "c" }));
    let long = format!("echo long # {}", "x".repeat(900_000));
    let wanted =
        vec![write("f", "a\nb\n"), edit("f"), edit("missing"), write("/etc/x", "x"), shell(&long)];
    let answers = vec![calls(wanted), calls(vec![finish(&[], &[])])];
    let spec = protocol::AgentSpec { approve: true, ..task(TRIVIAL) };
    let sandbox = start(spec, script(answers));
    let asked = |log: &Log| -> Vec<(u32, String)> {
        let asked = log.reports.iter().filter_map(|report| match &report.report {
            ReportKind::Waiting { waiting: Waiting::Approval { step, code, .. } } => {
                Some((*step, code.clone().unwrap_or_default()))
            }
            _ => None,
        });
        asked.collect()
    };
    for (count, step) in [1, 2, 5].into_iter().enumerate() {
        sandbox.gateway.wait("a question", |log| (asked(log).len() == count + 1).then_some(()));
        sandbox.gateway.decide(step, true, None);
    }
    let (log, _dir) = sandbox.finish();
    let asked = asked(&log);
    assert_eq!(asked.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 2, 5]);
    assert_eq!(asked[0].1, "a\nb\n");
    assert_eq!(asked[1].1, "@@ line 2 @@\n a\n-b\n+c\n");
    assert!(asked[2].1.starts_with("echo long # xxx"), "{}", &asked[2].1[..100]);
    assert_eq!(codes(&log)[1].2.as_deref(), Some("a\nc\n"), "a runbook can write it again");
}

#[test]
fn the_agents_own_files_are_safe_from_links() {
    let dir = rooms(Users::One);
    let theirs = dir.path().join("theirs");
    fs::write(&theirs, "theirs").unwrap();
    symlink(&theirs, dir.path().join("workspace/context.txt")).unwrap();
    let answers = vec![calls(vec![shell("true")]), calls(vec![finish(&[], &[])])];
    let (log, dir) = start_in(dir, task(TRIVIAL), script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    let context = dir.path().join("workspace/context.txt");
    assert!(!context.is_symlink() && fs::read_to_string(context).unwrap().contains(TRIVIAL));
}

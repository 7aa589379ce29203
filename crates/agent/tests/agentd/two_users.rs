//! agentd with a user of its own, and only the capabilities a sandbox gives it. Needs root.

use std::os::unix::fs::MetadataExt;

use protocol::{AgentSpec, CommandUser, Verdict};
use runbook::Program;
use serde_json::json;

use crate::gateway::Hosts;
use crate::sandbox::{Sandbox, Setting, Users, bash, block, file, rooms};
use crate::script::{TRIVIAL, call, calls, finish, results_of, script, task, text_of_parts};

#[test]
fn commands_run_as_their_own_user_and_cannot_touch_agentds_files() {
    assert!(
        rustix::process::getuid().is_root(),
        "this test switches users: run it as root, or leave it out with --skip two_users"
    );
    let (log, dir) = Sandbox::start_as(
        Users::Two,
        vec![
            bash("id -u; id -g; id -G; grep -E '^Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u"),
            bash("cd \"$HOME/../steps\"; set +e; touch x 2>&1 | grep -o denied; rm -f 2.sh 2>&1 | grep -o denied; ls"),
            bash("set +e; kill -9 1 2>&1 | grep -o 'not permitted'; cat /proc/1/environ 2>&1 | grep -o denied; true").within("sub"),
            file("deep/er/file", b"content"),
            block(Program::Python, "import os; print(os.getuid(), os.getgroups(), open('deep/er/file').read())").within("."),
            bash("setsid sleep 1000 & setsid bash -c 'trap \"\" TERM; sleep 1000' &"),
            bash("ls -d /proc/[0-9]* | wc -l"),
        ],
        None,
    )
    .finish();
    let said = log.stdout();
    let expected = "1000\n1000\n1000\n0000000000000000\n00000000000000e0\n\
                    denied\ndenied\n2.sh\n2.sh.env\n\
                    not permitted\ndenied\n\
                    1000 [] content\n";
    let rest = said.strip_prefix(expected).unwrap_or_else(|| panic!("{said}\n{}", log.stderr()));
    let left: u32 = rest.trim().parse().unwrap();
    assert!(left <= 4, "PID 1, the shell, ls and wc, not {left}");
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(dir.path().join("workspace/deep/er/file").metadata().unwrap().uid(), 1000);
}

#[test]
fn tools_have_the_rights_of_commands() {
    let run = [
        call("shell", json!({ "command": "umask 077; echo mine > f; id -u; seq 100000" })),
        call("read_file", json!({ "path": "f" })),
        call("edit_file", json!({ "path": "f", "old": "mine", "new": "changed" })),
        call("read_file", json!({ "path": "/proc/1/environ" })),
        call("background", json!({ "command": "id -u; sleep 1000" })),
        call("shell", json!({ "command": "cat f; stat -c %u:%a .cagent/log.ndjson context.txt" })),
        call("process", json!({ "id": 5, "signal": "TERM", "wait_seconds": 60 })),
    ];
    let answers = vec![calls(run.into()), calls(vec![finish(&["f"], &[])])];
    let spec =
        AgentSpec { command_user: Some(CommandUser { uid: 1000, gid: 1000 }), ..task(TRIVIAL) };
    let sandbox =
        Sandbox::start_in(rooms(Users::Two), Users::Two, spec, Hosts::new(), script(answers));
    let (log, dir) = sandbox.finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let results = results_of(log.questions.last().unwrap());
    let shown: Vec<String> = results.iter().map(|result| text_of_parts(&result.parts)).collect();
    assert!(shown[0].contains("all of it is in"), "{shown:?}");
    assert_eq!(shown[1], "     1\tmine\n");
    assert!(shown[2].contains("+changed"), "{shown:?}");
    assert!(shown[3].contains("may not be opened"), "{shown:?}");
    assert_eq!(shown[4], "process 5 is running; new output:\n1000");
    assert_eq!(shown[5], "exit code 0\nchanged\n1000:600\n1000:644");
    assert!(shown[6].contains("has ended with exit code 143"), "{shown:?}");
    let kept = dir.path().join("workspace/.cagent/output/1.txt").metadata().unwrap();
    assert_eq!((kept.uid(), kept.mode() & 0o777), (1000, 0o600));
}

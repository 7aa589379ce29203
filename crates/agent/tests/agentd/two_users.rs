//! agentd with a user of its own, and only the capabilities a sandbox gives it. Needs root.

use std::os::unix::fs::MetadataExt;

use protocol::Verdict;
use runbook::Program;

use crate::sandbox::{Sandbox, Setting, Users, bash, block, file};

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

//! What blocks do, and what is handed from one to the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use protocol::{ReportKind, Verdict};
use runbook::Program;
use types::StepOutcome::{Failed, Ok as Fine, Tolerated};
use types::{StepKind, Stream};

use crate::sandbox::{Sandbox, Setting, bash, block, file, run};

#[test]
fn runs_every_kind_of_block_in_order() {
    let blocks = vec![
        bash("echo one; echo two >&2"),
        block(Program::Sh, "echo three"),
        block(Program::Python, "import sys\nprint('four', sys.version_info >= (3, 8))"),
        file("sub/dir/f.txt", b"five\n"),
        bash("cat sub/dir/f.txt"),
    ];
    let (log, dir) = Sandbox::start(blocks).finish();
    assert_eq!(log.stdout(), "one\nthree\nfour True\nfive\n");
    assert_eq!(log.stderr(), "two\n");
    assert_eq!(log.verdict(), Verdict::Complete);
    assert_eq!(log.steps(), [(Fine, Some(0)); 5]);
    let written = dir.path().join("workspace/sub/dir/f.txt");
    assert_eq!(fs::metadata(written).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn tells_nodes_steps_and_checkpoints_in_order() {
    let log = run(vec![bash("echo hi")]);
    let told: Vec<String> = log
        .reports
        .iter()
        .map(|report| match &report.report {
            ReportKind::NodeStarted { node, attempt } => format!("{node}?{attempt}"),
            ReportKind::NodeFinished { node, action, .. } => {
                format!("{node}:{}", action.clone().unwrap_or_default())
            }
            ReportKind::StepStarted { step, kind, title, line, .. } => {
                assert_eq!((*kind, title.as_str(), *line), (StepKind::Bash, "a block", 7));
                format!("step {step}")
            }
            ReportKind::Output { step, .. } => format!("output of {step}"),
            ReportKind::StepFinished { step, .. } => format!("end of {step}"),
            ReportKind::Notice { text, .. } => text.clone(),
            ReportKind::Checkpoint(checkpoint) => format!("@{}", checkpoint.node),
            ReportKind::Finished(_) => "finished".into(),
            other => panic!("a runbook does not report {other:?}"),
        })
        .collect();
    let expected = "read?1 read:run @step step?1 |step 1|output of 1|end of 1| step:next @read \
                    read?1 read:done @compile compile?1 compile:finish finished";
    assert_eq!(told.join(" "), expected.replace('|', " ").replace("  ", " "));
}

#[test]
fn directory_and_environment_are_handed_on() {
    let log = run(vec![
        bash("mkdir -p a/b && cd a/b\nexport GREETING='two\nlines' GONE=1\nunexported=1"),
        block(
            Program::Sh,
            "unset GONE; echo \"$GREETING ${GONE-unset} ${unexported-unset}\"; cd ..",
        ),
        block(
            Program::Python,
            "import os; print(os.path.basename(os.getcwd()), 'GONE' in os.environ)",
        ),
        bash("basename \"$PWD\"; export PATH=/mine:$PATH"),
        bash("echo ${PATH%%:*}"),
    ]);
    assert_eq!(log.stdout(), "two\nlines unset unset\na False\na\n/mine\n");
}

#[test]
fn what_a_failing_shell_leaves_is_handed_on_too() {
    let log = run(vec![
        bash("export A=1; mkdir d; cd d; false; export A=2").tolerant(),
        bash("export B=1; exit 3").expecting(3),
        bash("trap 'echo bye' EXIT; export C=1; set -uC; set +e; false").tolerant(),
        bash("echo $A $B $C; basename \"$PWD\""),
    ]);
    assert_eq!(
        log.steps(),
        [(Tolerated, Some(1)), (Fine, Some(3)), (Tolerated, Some(1)), (Fine, Some(0))]
    );
    assert_eq!(log.stdout(), "bye\n1 1 1\nd\n");
}

#[test]
fn a_directory_of_its_own_is_made_and_not_handed_on() {
    let log = run(vec![
        bash("pwd -P > where; cd /; export X=1").within("new/dir"),
        bash("cat new/dir/where | grep -o 'workspace.*'; basename \"$PWD\"; echo $X"),
        block(Program::Python, "import os; print(os.path.basename(os.getcwd()))").within("new"),
    ]);
    assert_eq!(log.stdout(), "workspace/new/dir\nworkspace\n1\nnew\n");
}

#[test]
fn python_imports_from_the_current_directory() {
    let log = run(vec![
        file("lib/helper.py", b"answer = 42\n"),
        block(Program::Python, "from helper import answer\nprint(answer, __name__)").within("lib"),
    ]);
    assert_eq!(log.stdout(), "42 __main__\n");
}

#[test]
fn the_first_failing_block_ends_the_job() {
    let log = run(vec![bash("echo a\nfalse | cat\necho b"), bash("echo c")]);
    assert_eq!(log.steps(), [(Failed, Some(1))]);
    assert_eq!(log.stdout(), "a\n");
    let error = "step 1 (a block, line 7) failed with exit code 1".to_owned();
    assert_eq!(log.verdict(), Verdict::StepFailed { step: 1, exit_code: 1, error });
}

#[test]
fn exit_codes_can_be_expected_or_tolerated() {
    let log = run(vec![
        bash("exit 3").expecting(3),
        bash("exit 4").tolerant(),
        bash("kill -SEGV $$").expecting(139),
        bash("true").expecting(1),
    ]);
    let steps = [(Fine, Some(3)), (Tolerated, Some(4)), (Fine, Some(139)), (Failed, Some(0))];
    assert_eq!(log.steps(), steps);
    let error = "step 4 (a block, line 7) ended with exit code 0, 1 was expected".to_owned();
    assert_eq!(log.verdict(), Verdict::StepFailed { step: 4, exit_code: 0, error });
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let log = run(vec![block(Program::TypeScript, "1")]);
    assert_eq!(log.steps(), [(Failed, Some(127))]);
    let said = log.stderr();
    assert!(said.contains("/opt/cagent/bin/ts is not in this sandbox"), "{said}");
}

#[test]
fn a_path_that_is_lost_costs_no_later_block_its_program() {
    let log = run(vec![
        bash(
            "mkdir bin; printf '#!/bin/sh\\necho mine' > bin/python3; cp bin/python3 bin/bash; chmod +x bin/*",
        ),
        bash("export PATH=$PWD/bin"),
        block(Program::Python, "print('another')"),
        bash("echo $PATH | grep -o '/bin$'").tolerant(),
        bash("echo $PATH; export PATH=/nowhere"),
        block(Program::Python, "print('theirs')"),
        block(Program::Sh, "echo $PATH"),
    ]);
    assert_eq!(log.steps()[3], (Tolerated, Some(127)), "what the code runs is its own matter");
    let said = log.stdout();
    assert!(said.starts_with("mine\n") && said.ends_with("/bin\ntheirs\n/nowhere\n"), "{said}");
}

#[test]
fn a_directory_that_is_lost_costs_no_later_block_its_run() {
    let log = run(vec![
        bash("mkdir x; cd x; rmdir ../x; touch ../x"),
        block(Program::Python, "import os; print(os.getcwd() == os.environ['PWD'], os.listdir())"),
        bash("ls; basename \"$PWD\""),
        bash("true"),
        bash("true").within("x"),
    ]);
    assert_eq!(log.stdout(), "True ['x']\nx\nworkspace\n");
    let said = log.stderr();
    assert_eq!(said.matches("/x is of no use (").count(), 2, "{said}");
    assert!(said.contains("/workspace\n"), "{said}");
    assert_eq!(log.steps()[3..], [(Fine, Some(0)), (Failed, Some(126))]);
}

#[test]
fn a_file_outside_the_workspace_is_refused() {
    let sandbox = Sandbox::start(vec![bash("ln -s .. up"), file("up/x", b"x")]);
    let outside = sandbox.dir.path().join("x");
    let (log, _dir) = sandbox.finish();
    assert_eq!(log.steps(), [(Fine, Some(0)), (Failed, Some(1))]);
    assert!(log.stderr().contains("links are not followed"), "{}", log.stderr());
    assert!(!outside.exists());
}

#[test]
fn commands_have_no_input_and_no_more_environment_than_they_need() {
    let log = run(vec![bash(
        "cat; env | cut -d= -f1 | sort | tr '\\n' ' '; ps -o sid= $$ | tr -d ' ' | grep -qx $$ && echo leads; cat /proc/self/oom_score_adj",
    )]);
    assert_eq!(
        log.stdout(),
        "ALL_PROXY DISPLAY GIT_SSH_COMMAND HOME HTTPS_PROXY HTTP_PROXY JAVA_TOOL_OPTIONS LANG \
         NODE_USE_ENV_PROXY NO_PROXY PAGER PATH PIP_BREAK_SYSTEM_PACKAGES PIP_PROGRESS_BAR PWD \
         PYTHONDONTWRITEBYTECODE SHLVL TERM USER _ all_proxy http_proxy https_proxy no_proxy leads\n500\n"
    );
}

#[test]
fn what_cannot_be_handed_on_is_named() {
    let log = run(vec![
        bash(
            "export KEPT=1 BIG1=$(head -c 120000 /dev/zero | tr '\\0' x)\nexport BIG2=$BIG1 BIG3=$BIG1; export RAW=$'\\xff'",
        ),
        bash("echo $KEPT ${#BIG1} ${#BIG2} ${#BIG3} ${RAW-unset}"),
    ]);
    assert_eq!(log.stdout(), "1 120000 120000 0 unset\n");
    let notices = log.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("RAW, BIG3"), "{notices:?}");
}

#[test]
fn a_shell_that_hands_nothing_on_is_noticed() {
    let log = run(vec![bash("export A=1; exec true"), bash("echo ${A-unset}")]);
    assert_eq!(log.stdout(), "unset\n");
    let notices = log.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("step 1: its shell was killed or replaced"), "{notices:?}");
}

#[test]
fn binary_output_survives_and_text_is_cut_between_characters() {
    let bytes = "import os, sys; os.write(1, bytes(range(256)) * 1000)";
    let text = "import os, time\nfor b in ('€🦀' * 50000).encode(), b'\\xe2': os.write(1, b)";
    let log = run(vec![block(Program::Python, bytes), block(Program::Python, text)]);
    let expected: Vec<u8> = (0..=255).cycle().take(256_000).collect();
    let output = log.output(Stream::Stdout);
    assert!(output[..256_000] == expected[..], "binary output changed");
    assert!(
        output[256_000..] == *["€🦀".repeat(50_000).as_bytes(), b"\xe2"].concat(),
        "text changed"
    );
    let mut pieces = Vec::new();
    for report in &log.reports {
        if let ReportKind::Output { step: 2, data, .. } = &report.report {
            pieces.push(str::from_utf8(&data.0).is_ok());
        }
    }
    assert_eq!(pieces.pop(), Some(false), "the last, unfinished character");
    assert!(pieces.iter().all(|whole| *whole), "{pieces:?}");
}

#[test]
fn a_hundred_megabytes_pass_with_flat_memory() {
    let sandbox = Sandbox::start(vec![
        bash("head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo end"),
        bash("while [ ! -e go ]; do sleep 0.02; done"),
    ]);
    sandbox.gateway.wait("the end of step 1", |log| (log.steps().len() == 1).then_some(()));
    let status = fs::read_to_string(format!("/proc/{}/status", sandbox.agentd_pid())).unwrap();
    fs::write(sandbox.workspace("go"), "").unwrap();
    let (log, _dir) = sandbox.finish();
    let output = log.output(Stream::Stdout);
    assert_eq!(output.len(), 100_000_005);
    assert!(output.ends_with(b"x\nend\n"));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 64 * 1024, "agentd took {kib} KiB");
}

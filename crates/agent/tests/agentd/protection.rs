//! What a command of the same user can do to agentd: nothing.

use protocol::Verdict;
use std::process::Command;
use types::StepOutcome;

use crate::gateway::KEY;
use crate::sandbox::{Sandbox, bash, block, run};
use runbook::Program;

#[test]
fn the_session_key_cannot_be_read() {
    let code = "import os
for path in 'environ', 'mem', 'maps', 'auxv', 'syscall', 'stack', 'io':
    try:
        with open('/proc/1/' + path, 'rb') as f: print(path, 'open', len(f.read(1)))
    except OSError as e: print(path, e.strerror)
for path in 'exe', 'root', 'cwd', 'fd/0':
    try: print(path, os.readlink('/proc/1/' + path))
    except OSError as e: print(path, e.strerror)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print('trace', libc.ptrace(16, 1, 0, 0), os.strerror(ctypes.get_errno()))
print('key', any(b'k3y-of-' in v for v in os.environb.values()))
";
    let log = run(vec![block(Program::Python, code)]);
    let said = log.stdout();
    assert_eq!(said.lines().count(), 13, "{said}");
    for line in said.lines() {
        let refused = line.contains("Permission denied") || line.contains("not permitted");
        assert!(refused || line == "key False", "{line}");
    }
    assert!(!format!("{:?}", log.reports).contains(KEY));
}

#[test]
fn no_signal_harms_agentd() {
    let code = "for s in $(seq 1 64); do kill -$s 1 2>/dev/null || :; done
for i in $(seq 300); do for s in KILL STOP SEGV BUS FPE ILL ABRT SYS TERM 33; do kill -$s 1; done & done
wait; echo still here";
    let log = run(vec![bash(code), bash("echo and here")]);
    assert_eq!(log.stdout(), "still here\nand here\n");
    assert_eq!(log.verdict(), Verdict::Complete);
}

/// At run time there is one handler, glibc's own (SETXID, 33), which minds only its own process.
#[test]
fn the_one_signal_that_is_handled_does_no_harm() {
    let code = "import ctypes, os, re
libc = ctypes.CDLL(None, use_errno=True)
print(re.search(r'SigCgt:\\s*(\\w+)', open('/proc/1/status').read()).group(1))
threads = [int(name) for name in os.listdir('/proc/1/task')]
print(len(threads) > 1)
queue = {'x86_64': 297, 'aarch64': 240}[os.uname().machine]
info = (ctypes.c_int * 32)(33, 0, -6, 0, 1, 0)  # a forged SI_TKILL from PID 1
for thread in threads:
    for _ in range(1000):
        assert libc.tgkill(1, thread, 33) == 0
    assert libc.syscall(queue, 1, thread, 33, info) == -1
    print(os.strerror(ctypes.get_errno()))
";
    let log = run(vec![block(Program::Python, code), bash("echo still here")]);
    let said = log.stdout();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["0000000100000000", "True"], "{said}{}", log.stderr());
    assert!(lines[2..lines.len() - 1].iter().all(|line| *line == "Operation not permitted"));
    assert_eq!(lines[lines.len() - 1], "still here");
    assert_eq!(log.verdict(), Verdict::Complete);
}

#[test]
fn nobody_can_speak_for_agentd() {
    let code = "import socket, os
s = socket.socket(socket.AF_UNIX); s.connect(os.environ['HOME'] + '/../run/gateway.sock')
s.sendall(b'POST /v1/hello HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 0\\r\\n\\r\\n')
print(s.recv(100).split(b'\\r\\n')[0].decode())";
    let log = run(vec![block(Program::Python, code)]);
    assert_eq!(log.stdout(), "HTTP/1.1 401 Unauthorized\n");
    assert_eq!(log.steps(), [(StepOutcome::Ok, Some(0))]);
}

#[test]
fn agentd_ends_when_the_gateway_refuses_it() {
    let mut sandbox = Sandbox::start(vec![bash("echo ready; sleep 1000")]);
    sandbox.gateway.wait_for_output("ready");
    sandbox.gateway.refuse();
    sandbox.gateway.stop();
    sandbox.gateway.start();
    let said = sandbox.fail();
    assert!(said.contains("the gateway refused"), "{said}");
}

#[test]
fn agentd_refuses_to_be_anything_but_pid_1() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentd")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("only a sandbox should start it"));
}

#[test]
fn strange_arguments_are_explained() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentd")).arg("--what").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("agentd flow"));
}

//! `cagent attach` and `cagent exec` beside a job in a container.

use std::process::{Command, Output, Stdio};

use testkit::{Server, Terminal};
use types::{EventKind, JobId};

use crate::support::{Bed, assert_complete};

fn cagent(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cagent"));
    command.arg("--server").arg(server.url()).args(args).stdin(Stdio::null());
    command
}

fn exec(server: &Server, job: JobId, line: &str) -> Output {
    let job = job.to_string();
    cagent(server, &["exec", &job, "--", "sh", "-c", line]).output().unwrap()
}

#[tokio::test]
async fn people_work_beside_a_job() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = bed.server().await;
        let wait =
            "export LEFT=behind\n```\n```bash\necho on; until test -e done; do sleep 0.1; done";
        let job = server.client().run(&format!("```bash\n{wait}\n```\n")).await;
        let on = |event: &types::Event| matches!(event.event, EventKind::Output { .. });
        server.client().events_until(job, on).await;

        let said = exec(&server, job, "id -u; pwd; echo $LEFT; echo err >&2; exit 7");
        assert_eq!(said.status.code(), Some(7), "{said:?}");
        assert_eq!(
            (&*said.stdout, &*said.stderr),
            (&b"1000\n/workspace\nbehind\n"[..], &b"err\n"[..])
        );

        let attach = cagent(&server, &["attach", &job.to_string()]);
        let mut terminal = Terminal::start(&attach, (31, 91));
        terminal.types("stty size; echo to-it > $(tty); echo $((6 * 7))\r");
        terminal.until("31 91\r\nto-it\r\n42\r\n");
        terminal.types("setsid nohup sleep 4242 & exit 5\r");
        assert_eq!(terminal.end(), Some(5));
        let left = exec(&server, job, "grep -l ^sleep.4242 /proc/[0-9]*/cmdline | wc -l");
        assert_eq!(left.stdout, b"0\n", "{left:?}");

        assert_eq!(exec(&server, job, "touch done").status.code(), Some(0));
        assert_complete(&server.client().wait_end(job).await);
        assert_eq!(bed.left(), Vec::<String>::new());
    }
}

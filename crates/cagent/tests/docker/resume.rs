//! Jobs in containers that go on after one whose container was taken away.

use types::{Event, EventKind, Reason, Stream};

use crate::support::{Bed, assert_complete, file};

/// Says how often each of its blocks began; the second one hangs the first time.
const HANGS: &str = "```bash\nmkdir sub; cd sub; export WHO=me\necho first >> begun\n```\n\
                     ```bash\necho second >> begun\necho \"waiting for $WHO\"\n\
                     test $(grep -c second begun) = 2 || sleep 1000\n```\n";

#[tokio::test]
async fn a_job_that_lost_its_container_goes_on_where_it_was_if_somebody_resumes_it() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = bed.server().await;
        let old = server.client().run(HANGS).await;
        let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
        server.client().events_until(old, output).await;
        bed.daemon.ask(&["kill", &bed.container(old)]);
        let ended = server.client().wait_end(old).await;
        let expected = (Some(Reason::SandboxLost), true);
        assert_eq!((ended.reason, ended.resumable), expected, "{ended:#?}");
        server.kill().await;

        let server = bed.server().await;
        let new = server.client().resume(old).await;
        let job = server.client().wait_end(new).await;
        assert_complete(&job);
        assert_eq!(job.resumes, Some(old));
        assert_eq!(server.client().job(old).await.resumed_by, Some(job.job_id));
        assert_eq!(file(&server, new, "sub/begun").await, "first\nsecond\nsecond\n");
        assert_eq!(server.client().log(new, Stream::Stdout).await, b"waiting for me\n");
        assert_eq!(server.client().resume(old).await, new, "there is one that goes on");
        assert!(!server.client().job(old).await.resumable);
        assert_eq!(bed.left(), Vec::<String>::new());
    }
}

//! Downloads in parts, and for those who have them already.

use api::{Code, Status};
use axum::http::Method;
use types::{JobId, Stream};

use crate::support::{Answer, HELLO, Server, request};

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.send(request(method, path, headers, "")).await
}

/// A job that is over, whose stdout has the ten bytes `0123456789`.
async fn over(server: &Server) -> (JobId, [String; 3]) {
    let job = server.run(HELLO).await;
    std::fs::write(server.jobs.log_path(job, Stream::Stdout), "0123456789").unwrap();
    let files = format!("/v1/jobs/{job}/files/made/by the agent.txt").replace(' ', "%20");
    (job, [format!("/download/{job}"), format!("/logs/{job}/stdout"), files])
}

#[tokio::test]
async fn what_is_over_can_be_had_in_parts() {
    let server = Server::new().await;
    let (_, paths) = over(&server).await;
    for path in paths {
        let whole = server.get(&path).await;
        assert_eq!(
            (whole.status.as_u16(), whole.header("accept-ranges")),
            (200, "bytes"),
            "{path}"
        );
        let (bytes, etag) = (whole.body.len(), whole.header("etag"));
        assert!(etag.starts_with('"'), "strong: {etag}");

        let head = ask(&server, Method::HEAD, &path, &[("range", "bytes=1-2")]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), bytes.to_string(), "{path}");
        assert_eq!(head.header("etag"), etag, "{path}");

        let asked = [("range", "bytes=2-4"), ("if-range", etag)];
        let part = ask(&server, Method::GET, &path, &asked).await;
        assert_eq!(part.status, 206, "{path}");
        assert_eq!(part.body, whole.body[2..5], "{path}");
        assert_eq!(part.header("content-range"), format!("bytes 2-4/{bytes}"));
        assert_eq!(part.header("content-length"), "3");
        assert_eq!(part.header("content-type"), whole.header("content-type"));
        assert_eq!(part.header("x-content-type-options"), "nosniff");

        let end = ask(&server, Method::GET, &path, &[("range", "bytes=-3")]).await;
        assert_eq!(end.body, whole.body[bytes - 3..], "{path}");

        let other = [("range", "bytes=2-4"), ("if-range", "\"other\"")];
        assert_eq!(ask(&server, Method::GET, &path, &other).await.body, whole.body, "{path}");

        let beyond = format!("bytes={bytes}-");
        let beyond = ask(&server, Method::GET, &path, &[("range", &beyond)]).await;
        beyond.problem(Code::BadRange);
        assert_eq!(beyond.header("content-range"), format!("bytes */{bytes}"));

        let again = ask(&server, Method::GET, &path, &[("if-none-match", etag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), etag);
    }
}

#[tokio::test]
async fn a_log_that_grows_has_parts_but_no_tag() {
    let server = Server::new().await;
    let job = server.running().await;
    std::fs::write(server.jobs.log_path(job, Stream::Stdout), "0123456789").unwrap();
    let path = format!("/logs/{job}/stdout");
    let part = ask(&server, Method::GET, &path, &[("range", "bytes=8-99")]).await;
    assert_eq!((part.status.as_u16(), part.text(), part.header("etag")), (206, "89", ""));
    let tagged = [("range", "bytes=8-"), ("if-range", "\"x\"")];
    assert_eq!(ask(&server, Method::GET, &path, &tagged).await.text(), "0123456789");
}

#[tokio::test]
async fn another_zip_has_another_tag() {
    let server = Server::new().await;
    let tag = async |job: JobId| {
        let status: Status = server.get(&format!("/status/{job}")).await.read();
        server.get(&status.download_link.unwrap()).await.header("etag").to_owned()
    };
    assert_ne!(tag(server.run(HELLO).await).await, tag(server.run(HELLO).await).await);
}

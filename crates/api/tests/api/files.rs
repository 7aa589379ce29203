//! Single files: listed, read and written, before, while and after a job runs.

use api::{Code, FileKind, FileList};
use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use types::JobId;

use crate::support::{Answer, HELLO, Server, request};

async fn names(server: &Server, path: &str) -> Vec<(String, FileKind)> {
    let list: FileList = server.get(path).await.read();
    list.entries.into_iter().map(|entry| (entry.name, entry.kind)).collect()
}

async fn put(server: &Server, job: JobId, path: &str, body: &str) -> Answer {
    server.send(request(Method::PUT, &format!("/v1/jobs/{job}/files/{path}"), &[], body)).await
}

fn named(name: &str, kind: FileKind) -> (String, FileKind) {
    (name.into(), kind)
}

#[tokio::test]
async fn a_workspace_is_listed_while_it_lives_and_after() {
    let server = Server::new().await;
    let (running, over) = (server.running().await, server.run(HELLO).await);
    let (made, hello) = (named("made", FileKind::Directory), named("hello.txt", FileKind::File));
    let link = named("link", FileKind::Link);
    for path in ["files", "files/"] {
        let root = names(&server, &format!("/v1/jobs/{running}/{path}")).await;
        assert_eq!(root, [hello.clone(), link.clone(), made.clone()]);
    }
    let root = names(&server, &format!("/v1/jobs/{over}/files/")).await;
    assert_eq!(root, [hello, made], "the ZIP has no links");
    for job in [running, over] {
        for path in ["made", "made/"] {
            let list: FileList = server.get(&format!("/v1/jobs/{job}/files/{path}")).await.read();
            let entry = &list.entries[0];
            assert_eq!((list.path.as_str(), list.more, list.entries.len()), ("made", 0, 1));
            assert_eq!((entry.name.as_str(), entry.bytes), ("by the agent.txt", 10));
        }
    }
}

#[tokio::test]
async fn a_file_is_a_download() {
    let server = Server::new().await;
    for job in [server.running().await, server.run(HELLO).await] {
        let file = server.get(&format!("/v1/jobs/{job}/files/made/by%20the%20agent.txt")).await;
        assert_eq!((file.status.as_u16(), file.text()), (200, "0123456789"));
        assert_eq!(file.header("content-type"), "application/octet-stream");
        assert_eq!(file.header("content-length"), "10");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        let saved = "attachment; filename=\"by the agent.txt\"";
        assert_eq!(file.header("content-disposition"), saved);
    }
}

#[tokio::test]
async fn a_file_is_written_into_a_running_workspace() {
    let server = Server::new().await;
    let job = server.running().await;
    assert_eq!(put(&server, job, "in/data%20x.csv", "a,b").await.status, 201);
    let path = format!("/v1/jobs/{job}/files/in/data%20x.csv");
    assert_eq!(server.get(&path).await.text(), "a,b");
    assert_eq!(put(&server, job, "in/data%20x.csv", "").await.status, 204);
    assert_eq!(server.get(&path).await.text(), "");
    put(&server, job, "in", "x").await.problem(Code::NotAFile);
    put(&server, job, "hello.txt/x", "x").await.problem(Code::BadPath);
    put(&server, job, "link/x", "x").await.problem(Code::BadPath);
    assert_eq!(put(&server, job, "link", "x").await.status, 204, "the link itself is replaced");
    assert!(!std::path::Path::new("/etc/x").exists());
}

#[tokio::test]
async fn a_file_that_is_cut_never_was() {
    let server = Server::new().await;
    let job = server.running().await;
    let path = format!("/v1/jobs/{job}/files/cut.txt");
    let mut cut = request(Method::PUT, &path, &[], "");
    let broken = std::io::Error::other("the connection broke");
    let pieces = stream::iter([Ok(Bytes::from_static(b"half")), Err(broken)]);
    *cut.body_mut() = Body::from_stream(pieces);
    server.send(cut).await.problem(Code::BrokenBody);
    server.get(&path).await.problem(Code::NoSuchFile);
    assert_eq!(names(&server, &format!("/v1/jobs/{job}/files/")).await.len(), 3);
}

#[tokio::test]
async fn an_upload_that_stalls_or_never_ends_is_refused() {
    let server = Server::new().await;
    let job = server.running().await;
    let path = format!("/v1/jobs/{job}/files/x");
    let mut announced = request(Method::PUT, &path, &[], "");
    let size = (api::MAX_UPLOAD_BYTES + 1).to_string();
    announced.headers_mut().insert("content-length", size.parse().unwrap());
    *announced.body_mut() = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    tokio::time::pause();
    let slow = server.send(announced).await.problem(Code::BrokenBody);
    assert!(slow.detail.contains("15 s"), "{slow:?}");
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
    let mut stalled = request(Method::PUT, &path, &[], "");
    *stalled.body_mut() = Body::from_stream(first.chain(stream::pending()));
    server.send(stalled).await.problem(Code::BrokenBody);
}

#[tokio::test]
async fn nothing_is_written_once_a_job_is_over() {
    let server = Server::new().await;
    let job = server.run(HELLO).await;
    put(&server, job, "late.txt", "x").await.problem(Code::JobOver);
}

#[tokio::test]
async fn files_that_are_not_there_or_are_none() {
    let server = Server::new().await;
    for job in [server.running().await, server.run(HELLO).await] {
        let get = async |path: &str| server.get(&format!("/v1/jobs/{job}/files/{path}")).await;
        get("nowhere").await.problem(Code::NoSuchFile);
        get("nowhere/").await.problem(Code::NoSuchFile);
        get("hello.txt/").await.problem(Code::NoSuchFile);
        get("link/passwd").await.problem(Code::NoSuchFile);
        get("link/").await.problem(Code::NoSuchFile);
    }
    let job = server.running().await;
    server.get(&format!("/v1/jobs/{job}/files/link")).await.problem(Code::NotAFile);
}

#[tokio::test]
async fn paths_that_lead_out_of_the_workspace() {
    let server = Server::new().await;
    let job = server.running().await;
    let long = "x".repeat(256);
    for path in [
        "../x",
        "a/../../x",
        "%2e%2e/x",
        "..",
        ".",
        "a//b",
        "%2Fetc%2Fpasswd",
        "a%2fb",
        "/etc/passwd",
        "a%00b",
        "%ff",
        ".cagent/manifest.json",
        ".cagent.",
        "a/.cagent-upload-1",
        "a%5Cb",
        "a%0Ab",
        &long,
    ] {
        for method in [Method::GET, Method::PUT] {
            let path = format!("/v1/jobs/{job}/files/{path}");
            let answer = server.send(request(method, &path, &[], "x")).await;
            let problem = answer.problem(Code::BadPath);
            assert_eq!(problem.errors[0].field, "path");
        }
    }
    put(&server, job, "directory/", "x").await.problem(Code::BadPath);
}

//! Whole jobs with every provider, in native calls and in words, and pictures.

use futures_util::future::join_all;
use serde_json::json;
use testkit::Server;
use testkit::scripted::{Fault, Provider, Reply};

use crate::support::{Ended, Model, SHORT, finish, run};

const TASK: &str = "Create a Python script that calculates Fibonacci numbers, with tests";

#[tokio::test]
async fn each_does_a_whole_job_with_native_calls() {
    let native = Provider::ALL.into_iter().filter(|provider| *provider != Provider::Alchemyst);
    join_all(native.map(|provider| whole_job(provider, "native"))).await;
}

#[tokio::test]
async fn each_does_it_in_words_too() {
    join_all(Provider::ALL.map(|provider| whole_job(provider, "text"))).await;
}

/// A plan, a test that fails, its cure, a proof.
async fn whole_job(provider: Provider, tools: &str) {
    let model = Model::file("fibonacci.json").await;
    let server = with(&model, &[provider], provider, "TOOLS", tools).await;
    let ended = run(&server, TASK).await;
    ended.assert_verified();
    assert!(ended.text("fib.py").contains("a, b = 0, 1"), "{provider:?}");
    assert_eq!(ended.job.artifacts.as_deref().unwrap(), ["fib.py", "test_fib.py"]);
    ended.assert_usage(&model);
    let requests = model.requests();
    assert_eq!(requests.len(), 7, "a plan, five steps, the end");
    for seen in requests {
        assert!(seen.stream && seen.native_tools == (tools == "native"), "{provider:?}");
    }
}

/// A server that asks these, with one more setting for one of them.
async fn with(
    model: &Model,
    providers: &[Provider],
    of: Provider,
    setting: &str,
    value: &str,
) -> Server {
    let name = format!("{}_{setting}", of.as_str().to_uppercase());
    model.asked_by(providers).env(name, value).start().await
}

/// Makes a PNG of 3 by 2 points, and the same in base64.
const PAINT: &str = r#"
import base64, struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
size = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)
points = zlib.compress(2 * (b"\0" + 3 * b"\xff\0\0"))
png = chunk(b"IHDR", size) + chunk(b"IDAT", points) + chunk(b"IEND", b"")
png = b"\x89PNG\r\n\x1a\n" + png
open("red.png", "wb").write(png)
open("red.base64", "wb").write(base64.b64encode(png))
"#;

/// What the agent says of a picture where its model takes none, and what is said in its place where
/// the agent could not know yet who would answer.
const NOT_SEEN: &str = "[a picture of 3x2 is here, which you cannot see]";
const NOT_SHOWN: &str = "[a picture, image/png, 3×2: not shown, this model takes no pictures]";

#[tokio::test]
async fn who_takes_pictures_sees_them_and_who_does_not_reads_of_them() {
    join_all(Provider::ALL.map(|provider| looks(provider, "true"))).await;
    join_all(Provider::ALL.map(|provider| looks(provider, "false"))).await;
}

async fn looks(provider: Provider, images: &str) {
    if (provider, images) == (Provider::Alchemyst, "true") {
        // Its messages have no place for one.
        return;
    }
    let model = Model::says(looking()).await;
    let server = with(&model, &[provider], provider, "IMAGES", images).await;
    let ended = run(&server, SHORT).await;
    ended.assert_verified();
    let requests = model.requests();
    let offers = requests[0].tools.iter().any(|tool| tool == "view_image");
    assert_eq!(offers, images == "true", "{provider:?}");
    match images {
        "true" => assert_seen(&ended, &model, 2, provider),
        _ => assert!(requests[2].contains(NOT_SEEN), "{:#?}", requests[2].messages),
    }
}

fn looking() -> Vec<Reply> {
    let look = Reply::call("view_image", json!({ "path": "red.png" }));
    vec![
        Reply::call("python", json!({ "code": PAINT })),
        look,
        finish(&["red.png"], "test -s red.png"),
    ]
}

/// This request has the picture, byte for byte.
fn assert_seen(ended: &Ended, model: &Model, request: usize, provider: Provider) {
    let requests = model.requests();
    let images: Vec<_> = requests[request].messages.iter().flat_map(|m| &m.images).collect();
    let [image] = &images[..] else { panic!("{provider:?}: {images:?}") };
    // Ollama's have no type.
    let media_type = image.media_type.as_deref().unwrap_or("image/png");
    assert_eq!(media_type, "image/png", "{provider:?}");
    assert_eq!(image.base64, ended.text("red.base64"), "{provider:?}");
}

#[tokio::test]
async fn a_picture_is_told_to_who_takes_over_and_takes_none() {
    let [paint, look, end] = looking().try_into().unwrap();
    let model = Model::says([paint, look, Reply::default().but(1, Fault::Quota), end]).await;
    let ended = model.runs(&[Provider::Gemini, Provider::Alchemyst], SHORT).await;
    ended.assert_verified();
    assert_seen(&ended, &model, 2, Provider::Gemini);
    let taken_over = &model.requests_to(Provider::Alchemyst)[0];
    assert!(taken_over.contains(NOT_SHOWN), "{:#?}", taken_over.messages);
    assert!(taken_over.messages.iter().all(|message| message.images.is_empty()));
}

//! An assistant with a real client of the protocol.

use std::path::Path;
use std::process::Stdio;

use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::{Peer, ServiceExt as _};
use serde_json::{Value, json};
use testkit::{Builder, DataDir, PATIENCE, Server};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::{CAGENT, cagent};

struct Assistant {
    service: RunningService<RoleClient, ()>,
    program: Child,
}

impl Assistant {
    async fn of(data: &DataDir) -> Self {
        let mut command = Command::from(cagent(data, &["mcp"]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut program = command.spawn().unwrap();
        let pipes = (program.stdout.take().unwrap(), program.stdin.take().unwrap());
        let service = timeout(PATIENCE, ().serve(pipes)).await.unwrap().unwrap();
        Self { service, program }
    }

    /// What a tool says; an error if it says so.
    async fn call(&self, tool: &'static str, with: Value) -> Result<String, String> {
        let peer: &Peer<RoleClient> = self.service.peer();
        let arguments = with.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = timeout(PATIENCE, peer.call_tool(call)).await.unwrap().unwrap();
        let said = result.content[0].as_text().unwrap().text.clone();
        if result.is_error == Some(true) { Err(said) } else { Ok(said) }
    }

    async fn json(&self, tool: &'static str, with: Value) -> Value {
        serde_json::from_str(&self.call(tool, with).await.unwrap()).unwrap()
    }

    /// Ends as clients do, by closing its input.
    async fn end(mut self) -> Option<i32> {
        self.service.cancel().await.unwrap();
        timeout(PATIENCE, self.program.wait()).await.unwrap().unwrap().code()
    }
}

const TASK: &str =
    "# Make it\n\n```bash\nmkdir out; cat in.txt > out/made.txt; echo on the way\n```\n";

#[tokio::test]
async fn an_assistant_gives_follows_and_fetches_a_job() {
    let server = Server::start(CAGENT).await;
    let data = server.data_dir();
    let folder = data.path().parent().unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(file("given"), "given\n").unwrap();
    let assistant = Assistant::of(data).await;
    assert_tools(&assistant).await;

    let task = json!({
        "task": TASK, "mode": "runbook", "approve": true, "limits": { "wall_seconds": 600 },
        "files": [format!("{}=in.txt", file("given"))], "network": "none",
    });
    let job = assistant.json("submit_job", task).await["job"].as_str().unwrap().to_owned();
    let of = |with: Value| {
        let mut all = json!({ "job": job });
        all.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        all
    };
    let waits = assistant.json("wait_for_job", of(json!({ "seconds": 60 }))).await;
    assert_eq!((&waits["over"], &waits["waiting"]["step"]), (&json!(false), &json!(1)), "{waits}");
    let nobody = assistant.call("say", of(json!({ "text": "hi" }))).await.unwrap_err();
    assert!(nobody.contains("runbook"), "{nobody}");
    assistant.call("decide", of(json!({ "step": 1, "approve": true }))).await.unwrap();
    let over = assistant.json("wait_for_job", of(json!({ "seconds": 60 }))).await;
    assert_eq!((&over["over"], &over["status"]), (&json!(true), &json!("complete")), "{over}");

    assert_eq!(assistant.call("read_log", of(json!({}))).await.unwrap(), "on the way\n");
    let none = assistant.call("read_log", of(json!({ "stream": "stderr" }))).await.unwrap();
    assert_eq!(none, "nothing was written to it");
    let listed = assistant.call("list_files", of(json!({ "path": "out" }))).await.unwrap();
    assert_eq!(listed, "made.txt (6 bytes)\n");
    let read = assistant.call("read_file", of(json!({ "path": "out/made.txt" }))).await.unwrap();
    assert_eq!(read, "given\n");
    let zip = of(json!({ "path": file("result.zip") }));
    assert!(assistant.call("download", zip.clone()).await.unwrap().contains("result.zip"));
    let bytes = std::fs::read(file("result.zip")).unwrap();
    assert_eq!(bytes, server.client().download(job.parse().unwrap()).await);
    let refused = assistant.call("download", zip).await.unwrap_err();
    assert!(refused.contains("there already"), "{refused}");
    let list = assistant.call("list_jobs", json!({ "statuses": ["complete"] })).await.unwrap();
    assert!(list.contains(&job) && list.contains("Make it"), "{list}");
    assert_eq!(assistant.end().await, Some(0));
}

async fn assert_tools(assistant: &Assistant) {
    let tools = assistant.service.peer().list_all_tools().await.unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
    names.sort_unstable();
    let all = "cancel_job decide download get_job list_files list_jobs read_file read_log say \
               submit_job wait_for_job";
    assert_eq!(names.join(" "), all);
    for tool in &tools {
        let told = tool.description.as_deref().unwrap_or_default();
        assert!(told.len() > 20, "{tool:?}");
        let fields = tool.input_schema["properties"].as_object().unwrap().values();
        assert!(fields.clone().all(|field| field["description"].is_string()), "{tool:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_what_to_do_and_a_new_server_is_found() {
    let data = DataDir::new();
    let server = Builder::new(CAGENT).data_dir(&data).start().await;
    let assistant = Assistant::of(&data).await;
    let running = server.client().run("```bash\nsleep 1000\n```\n").await;
    server.kill().await;
    let server = Builder::new(CAGENT).data_dir(&data).start().await;

    let job = running.to_string();
    let said = assistant.call("cancel_job", json!({ "job": job })).await.unwrap();
    assert!(said.contains("being cancelled"), "{said}");
    server.client().wait_end(running).await;
    for (tool, with, told) in [
        (
            "get_job",
            json!({ "job": "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f" }),
            "`list_jobs` lists them",
        ),
        ("get_job", json!({ "job": "../x" }), "not a job id"),
        ("read_file", json!({ "job": job, "path": "../../etc/passwd" }), ".."),
        ("read_file", json!({ "job": job, "path": "missing" }), "no such file; `list_files`"),
        ("download", json!({ "job": job, "path": "result.zip" }), "absolute"),
        ("download", json!({ "job": job, "path": "/" }), "must end in .zip"),
        ("download", json!({ "job": job, "path": "/authorized_keys" }), "must end in .zip"),
        ("wait_for_job", json!({ "job": job, "seconds": 9999 }), "1 to 300"),
        ("list_jobs", json!({ "statuses": ["lost"] }), "lost"),
        ("submit_job", json!({ "task": "", "mode": "runbook" }), "empty"),
        ("submit_job", json!({ "task": TASK, "files": ["/no/such"] }), "/no/such"),
        ("submit_job", json!({ "task": TASK, "limits": { "cats": 1 } }), "cats"),
    ] {
        let refused = assistant.call(tool, with).await.unwrap_err();
        assert!(refused.contains(told), "{tool}: {refused}");
    }
    assert!(!Path::new("result.zip").exists());
}

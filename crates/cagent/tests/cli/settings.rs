//! Settings: who decides them, and what is said of a slip.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::{Value, json};
use testkit::{Builder, DataDir};

use crate::support::{CAGENT, bash, cagent, call, json, refusal, stdout};

/// A data directory with a `cagent.toml` in it, and a `.env` beside it, where programs are called.
fn with_files(toml: &str, env_file: &str) -> DataDir {
    let data = DataDir::new();
    std::fs::create_dir(data.path()).unwrap();
    std::fs::write(data.path().join("cagent.toml"), toml).unwrap();
    std::fs::write(data.path().parent().unwrap().join(".env"), env_file).unwrap();
    data
}

fn with_variable(data: &DataDir, args: &[&str], name: &str, value: &str) -> Output {
    cagent(data, args).env(name, value).output().unwrap()
}

fn setting(output: &Output, key: &str) -> (Value, String) {
    let list = json(output, 0);
    let all = list["settings"].as_array().unwrap();
    let found = all.iter().find(|setting| setting["key"] == key).unwrap();
    (found["value"].clone(), found["origin"].as_str().unwrap().to_owned())
}

#[test]
fn the_first_that_says_something_counts() {
    let config = ["config", "-o", "json"];
    let concurrency = |output: Output| setting(&output, "concurrency");
    let data = with_files("\nconcurrency = 5", "CAGENT_CONCURRENCY=4");
    let line = format!("{}:2", data.path().join("cagent.toml").display());

    let flag = [&config[..], &["--concurrency", "2"]].concat();
    let by_flag = with_variable(&data, &flag, "CAGENT_CONCURRENCY", "3");
    assert_eq!(concurrency(by_flag), (json!("2"), "flag".into()));
    let by_variable = with_variable(&data, &config, "CAGENT_CONCURRENCY", "3");
    assert_eq!(concurrency(by_variable), (json!("3"), "environment".into()));
    assert_eq!(concurrency(call(&data, &config)), (json!("4"), ".env".into()));
    std::fs::remove_file(data.path().parent().unwrap().join(".env")).unwrap();
    assert_eq!(concurrency(call(&data, &config)), (json!("5"), line));
    std::fs::remove_file(data.path().join("cagent.toml")).unwrap();
    let (cores, origin) = concurrency(call(&data, &config));
    assert!(cores.as_str().unwrap().parse::<usize>().unwrap() > 0);
    assert_eq!(origin, "default");
}

#[test]
fn what_is_opened_to_others_is_a_warning() {
    let data = with_files("", "");
    let mode = |mode| std::fs::set_permissions(data.path(), Permissions::from_mode(mode)).unwrap();
    let said = |allow| {
        let output = with_variable(&data, &["run", &bash("true")], "CAGENT_EGRESS_ALLOW", allow);
        stdout(&output, 0);
        String::from_utf8(output.stderr).unwrap()
    };
    mode(0o755);
    let text = said("0.0.0.0/0");
    assert!(text.contains("`chmod o= "), "{text}");
    assert!(text.contains("CAGENT_EGRESS_ALLOW has 0.0.0.0/0"), "{text}");
    mode(0o750);
    let text = said("10.0.0.0/8,fd00::/8");
    assert!(!text.contains("chmod") && !text.contains("CAGENT_EGRESS_ALLOW"), "{text}");
}

#[test]
fn every_setting_is_shown() {
    let data = with_files("network = ['a.org', '*.b.org']\n[limits]\nwall_seconds = 90\n", "");
    let text = stdout(&call(&data, &["config"]), 0);
    let row = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(row("network ").contains("a.org,*.b.org"), "{text}");
    assert!(row("limits.wall_seconds").contains("90s"), "{text}");
    assert!(row("limits.wall_seconds").ends_with("cagent.toml:3"), "{text}");
    assert!(row("data_dir").ends_with("flag"), "{text}");
    assert!(row("ceilings.memory_bytes").ends_with("default"), "{text}");
}

#[test]
fn a_slip_is_refused_with_what_was_meant() {
    let refused = |toml: &str, env_file: &str| {
        refusal(&call(&with_files(toml, env_file), &["run", &bash("true")]))
    };
    let said = refused("[limits]\nmemory = '1G'\n", "");
    assert!(said.contains("cagent.toml:2: there is no setting limits.memory"), "{said}");
    assert!(said.contains("did you mean limits.memory_bytes?"), "{said}");
    let said = refused("listen = true", "");
    assert!(said.contains("cagent.toml:1: listen: expected text or a number"), "{said}");
    let said = refused("concurrency = 'many'", "");
    assert!(said.contains("cagent.toml:1: concurrency = many: expected a whole number"), "{said}");
    let said = refused("listen = ", "");
    assert!(said.contains("cagent.toml:1: "), "{said}");
    let said = refused("", "CAGENT_NETWORK_CEILLING=none\n");
    assert!(said.contains(".env: ") && said.contains("did you mean CAGENT_NETWORK_CEILING?"));
    let data = DataDir::new();
    let said = refusal(&call(&data, &["--config", "missing.toml", "config"]));
    assert!(said.contains("missing.toml"), "{said}");
}

#[test]
fn what_is_said_in_vain_is_a_warning() {
    let data = with_files("", "CAGENT_EXPOSE=/\nOTHER_PROGRAM=1\n");
    let mut command = cagent(&data, &["config", "-o", "json"]);
    let output = command.env("CAGENT_LISTN", "x").env_remove("CAGENT_EXPOSE").output().unwrap();
    assert_eq!(setting(&output, "expose"), (Value::Null, "default".into()));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("did you mean CAGENT_LISTEN?"), "{said}");
    assert!(said.contains("CAGENT_EXPOSE in .env is not used"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

/// Who calls `cagent` in somebody else's directory trusts nothing in there.
#[test]
fn a_directory_decides_nothing_through_a_data_directory() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::create_dir(folder.join("bait")).unwrap();
    std::fs::write(folder.join("bait/cagent.toml"), "expose = ['/']").unwrap();
    std::fs::write(folder.join(".env"), "CAGENT_DATA_DIR=bait\n").unwrap();
    let mut command = crate::support::bare(&data);
    command.env_remove("CAGENT_EXPOSE");
    let output = command.args(["config", "-o", "json"]).output().unwrap();
    assert_eq!(setting(&output, "data_dir").1, ".env");
    assert_eq!(setting(&output, "expose").0, Value::Null);
}

#[tokio::test]
async fn a_ceiling_holds_and_lowers_the_default() {
    let server = Builder::new(CAGENT).env("CAGENT_CEILING_MEMORY_BYTES", "1G").start().await;
    let data = server.data_dir();
    let run = ["-o", "json", "run", "--limit"];
    let more = call(data, &[&run[..], &["memory_bytes=1025M", &bash("true")]].concat());
    let said = refusal(&more);
    assert!(said.contains("memory_bytes") && said.contains("1073741824"), "{said}");
    let less = json(&call(data, &[&run[..], &["processes=100", &bash("true")]].concat()), 0);
    assert_eq!(less["limits"]["memory_bytes"], 1 << 30);
    assert_eq!(less["limits"]["processes"], 100);
    assert_eq!(server.client().jobs().await.jobs.len(), 1, "the other one was never a job");
}

#[tokio::test]
async fn a_job_reaches_no_more_than_the_operator_allows() {
    let server = Builder::new(CAGENT).env("CAGENT_NETWORK_CEILING", "a.org,*.b.org").start().await;
    let data = server.data_dir();
    let run =
        |network: &str| call(data, &["-o", "json", "run", "--network", network, &bash("true")]);
    for network in ["open", "b.org", "a.org,c.org"] {
        let said = refusal(&run(network));
        assert!(said.contains("network") && said.contains("*.b.org"), "{network}: {said}");
    }
    assert_eq!(json(&run("x.b.org"), 0)["network"], json!(["x.b.org"]));
    let job = json(&run("none"), 0);
    assert_eq!(job["network"], "none");
    let status = stdout(&call(data, &["status", job["job_id"].as_str().unwrap()]), 0);
    assert!(status.contains("none: it can reach nothing"), "{status}");
    let usual = json(&call(data, &["-o", "json", "run", &bash("true")]), 0);
    assert_eq!(usual["network"], json!(["a.org", "*.b.org"]));
}

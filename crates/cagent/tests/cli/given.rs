//! What a job is given with its task: variables, files, a key.

use testkit::DataDir;

use crate::support::{bash, cagent, call, json, refusal, stdout};

#[test]
fn variables_and_files_reach_the_job() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::write(folder.join("input.txt"), "from here\n").unwrap();
    std::fs::write(folder.join("o\"dd näme.txt"), "odd\n").unwrap();
    let task = bash("cat input.txt deep/er.txt odd/*; echo $GREETING, $LENT; ls -l input.txt >&2");
    let options = [
        "--env=GREETING=hello, world=1",
        "--env=LENT",
        "--file=input.txt",
        "--file=input.txt=deep/er.txt",
        "--file=o\"dd näme.txt=odd/o\"dd näme.txt",
    ];
    let mut command = cagent(&data, &[&["run", &task][..], &options].concat());
    let text = stdout(&command.env("LENT", "of the caller").output().unwrap(), 0);
    let said = "    from here\n    from here\n    odd\n    hello, world=1, of the caller\n";
    assert!(text.contains(said), "{text}");
    let job = text.lines().next().unwrap().trim_start_matches("job ");
    let status = stdout(&call(&data, &["status", job]), 0);
    assert!(status.contains("GREETING, LENT"), "{status}");
    assert!(!status.contains("hello") && status.contains(" of memory"), "{status}");
}

#[test]
fn what_cannot_be_given_is_refused_before_there_is_a_job() {
    let data = DataDir::new();
    let task = bash("true");
    for (option, said) in [
        ("--env=NOBODY_SET_THIS", "NOBODY_SET_THIS=VALUE"),
        ("--file=missing.txt", "missing.txt: No such file"),
        ("--file=.", "one by one"),
        ("--network=http://a.org", "none, open, or domains such as example.org"),
    ] {
        let text = refusal(&call(&data, &["run", option, &task]));
        assert!(text.contains(said), "{option}: {text}");
    }
    assert!(!data.path().exists());
    std::fs::write(data.path().parent().unwrap().join("x"), "").unwrap();
    for (option, said) in [
        ("--file=x=../x", "../x"),
        ("--file=x=.cagent/x", ".cagent"),
        ("--env=1A=b", "1A"),
        ("--env=CAGENT_X=b", "CAGENT_X"),
        ("--idempotency-key=", "dempotency"),
        ("--idempotency-key=a\nb", "key: expected ASCII"),
    ] {
        let text = refusal(&call(&data, &["run", option, &task]));
        assert!(text.contains(said), "{option}: {text}");
    }
    assert_eq!(json(&call(&data, &["ps", "-o", "json"]), 0)["jobs"], serde_json::json!([]));
}

#[test]
fn the_same_key_is_the_same_job() {
    let data = DataDir::new();
    let run = |task: &str| call(&data, &["-o", "json", "run", "--idempotency-key=k 1", task]);
    let first = json(&run(&bash("echo once; exit 3")), 3);
    let again = json(&run(&bash("echo once; exit 3")), 3);
    assert_eq!(first["job_id"], again["job_id"]);
    let other = refusal(&run(&bash("echo other")));
    assert!(other.contains("key"), "{other}");
    assert_eq!(json(&call(&data, &["ps", "-o", "json"]), 0)["jobs"].as_array().unwrap().len(), 1);
}

//! Measuring works: as little of it as shows that, on the program that the other tests use. What
//! comes out says nothing about speed.

use std::process::Command;

use serde_json::Value;

#[test]
fn bench_runs() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("results.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--only", "launch", "--only", "status", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:#?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    for name in ["POST → first output", "POST → complete", "GET /status"] {
        let row = rows.iter().find(|row| row["name"].as_str().unwrap().starts_with(name));
        let row = row.unwrap_or_else(|| panic!("{name} in {report:#}"));
        assert!(row["measured"]["n"].as_u64().unwrap() > 0, "{row:#}");
        assert!(row["floors"][0]["measured"]["median"].as_f64().unwrap() > 0.0, "{row:#}");
    }
}

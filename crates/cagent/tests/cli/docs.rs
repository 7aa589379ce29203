//! What docs say of the program is what it does.

use serde_json::json;
use testkit::DataDir;
use types::Limits;

use crate::support::{call, json as document, stdout};

/// Whichever of them a machine has.
#[test]
fn every_check_of_doctor_has_its_cure() {
    let doctor = call(&DataDir::new(), &["doctor", "--engine", "local,docker", "-o", "json"]);
    let found = document(&doctor, doctor.status.code().unwrap());
    let checks: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert!(checks.contains(&"kernel") && checks.contains(&"docker engine"), "{checks:?}");
    let doc = read("troubleshooting.md");
    for check in checks {
        assert!(doc.contains(&format!("`{check}`")), "docs/troubleshooting.md has no {check}");
    }
}

#[test]
fn every_command_is_in_the_document() {
    let help = stdout(&call(&DataDir::new(), &["--help"]), 0);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<_> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(names.contains(&"run") && names.len() > 25, "{help}");
    let doc = read("cli.md");
    for name in names {
        assert!(doc.contains(&format!("| `cagent {name}")), "docs/cli.md has no {name}");
    }
}

#[test]
fn every_limit_is_explained() {
    let doc = read("limits.md");
    for name in json!(Limits::default()).as_object().unwrap().keys() {
        assert!(doc.contains(&format!("| `{name}` |")), "docs/limits.md has no {name}");
    }
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

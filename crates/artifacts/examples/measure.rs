#![allow(missing_docs)]
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let p = artifacts::pack(artifacts::PackRequest {
        workspace: a[1].as_ref(),
        target: a[2].as_ref(),
        job: serde_json::Value::Null,
        extras: vec![],
        options: artifacts::Options { include_caches: true, ..Default::default() },
    })
    .unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!(
        "{p:?} {:?} {}",
        t.elapsed(),
        status.lines().find(|l| l.starts_with("VmHWM")).unwrap()
    );
}

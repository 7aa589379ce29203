//! How long a view takes, and how much memory a long log.

use std::time::Instant;

use super::*;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "measures; run it with --release, alone: cargo test --release -p agent speed -- --ignored"]
fn the_view_of_a_log_of_a_million_tokens() {
    // So large that nothing is left out.
    let (mut context, _file) = memory(10_000_000);
    context.append(Entry::Task { text: "Work".into() }).unwrap();
    let mut n = 0;
    while context.log.bytes() < 4_000_000 {
        step(&mut context, n, &noise(n, 200), &noise(n, 5000));
        n += 1;
    }
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let start = Instant::now();
            let question = context.question(&frame()).unwrap();
            (start.elapsed(), question.turns.len())
        })
        .collect();
    times.sort();
    println!("view of {n} steps: median {:?}, most {:?}", times[10], times[19]);
    assert!(times[10].0.as_millis() <= 50);
}

#[test]
#[ignore = "measures; run it with --release, alone: cargo test --release -p agent speed -- --ignored"]
fn the_memory_of_400_steps() {
    let before = resident();
    let (mut context, _file) = memory(131_072);
    context.append(Entry::Task { text: "Work".into() }).unwrap();
    for n in 0..400 {
        step(&mut context, n, &noise(n, 20_000), &noise(n, 10_000));
        if context.summary_due().is_some() {
            context.sum_up(None).unwrap();
        }
        let question = context.question(&frame()).unwrap();
        context.learn(&question, &answered(131_072, tokens(&question))).unwrap();
        context.readable();
    }
    context.recall("line 17").unwrap();
    println!("400 steps: {} KiB before, {} KiB at most", before, resident());
    assert!(resident() - before <= 10 * 1024);
}

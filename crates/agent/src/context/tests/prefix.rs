//! Between two compactions a question begins as the one before it, for providers' caches.

use super::*;

/// How many turns two questions have in common at their beginning.
fn common(a: &ModelRequest, b: &ModelRequest) -> usize {
    a.turns.iter().zip(&b.turns).take_while(|(a, b)| a == b).count()
}

fn compactions(window: u64, written: usize, printed: usize) -> usize {
    let (mut context, _file) = memory(window);
    context.append(Entry::Task { text: "Work".into() }).unwrap();
    let mut before: Option<ModelRequest> = None;
    let mut compactions = 0;
    for n in 0..150 {
        context.set_plan(plan(&["work", &format!("and more {}", n / 7)])).unwrap();
        if let Some(question) = context.summary_due() {
            context.learn(&question, &answered(window, tokens(&question))).unwrap();
            context.sum_up(None).unwrap();
        }
        let trims = (context.memory.trims, context.memory.summary.as_ref().map(|s| s.at));
        let question = context.question(&frame()).unwrap();
        assert_sound(&question);
        if let Some(before) = &before {
            // All but the last turn of the one before, which has the plan.
            let stable = common(before, &question) + 1 >= before.turns.len();
            compactions += usize::from(!stable);
            let decided = trims != (context.memory.trims, None) || context.memory.summary.is_some();
            assert!(stable || decided, "step {n}: changed without a decision");
        }
        if n % 10 == 0 {
            context.learn(&question, &answered(window, tokens(&question))).unwrap();
        }
        before = Some(question);
        step(&mut context, n, &noise(n, written), &noise(n, printed));
    }
    compactions
}

#[test]
fn it_changes_seldom() {
    let often = compactions(131_072, 300, 10_000);
    assert!((1..=20).contains(&often), "{often} of 150");
    let often = compactions(131_072, 20_000, 10_000);
    assert!((1..=25).contains(&often), "{often} of 150");
    assert_eq!(compactions(10_000_000, 300, 3000), 0);
}

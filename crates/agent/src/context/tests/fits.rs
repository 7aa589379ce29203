//! Whatever the log, the frame and the plan: a question fits, and every provider takes it.

use proptest::prelude::*;
use types::Replay;

use super::*;

/// Up to 5 MB, mostly little, of characters of every width.
fn text() -> impl Strategy<Value = String> {
    let size = prop_oneof![300 => 0usize..300, 90 => 300usize..30_000, 1 => 30_000usize..5_000_000];
    let alphabet = prop::sample::select(vec!["a", "é", "漢", "🦀", "\"\\\n", "\u{1}", "word \n"]);
    (size, alphabet).prop_map(|(size, piece)| piece.repeat(size / piece.len()))
}

fn part() -> impl Strategy<Value = Part> {
    let picture = (0u32..4000, 0u32..4000, 0usize..2000).prop_map(|(width, height, bytes)| {
        let (media_type, base64) = ("image/png".into(), "A".repeat(bytes));
        Part::Image { media_type, base64, width, height }
    });
    prop_oneof![4 => text().prop_map(Part::text), 1 => picture]
}

fn turn() -> impl Strategy<Value = ModelTurn> {
    let flaw = || prop::option::weighted(0.1, text());
    let arguments = prop_oneof![
        text().prop_map(|t| json!({ "command": t })),
        text().prop_map(Value::String),
        (0usize..3000).prop_map(|n| json!({ "list": vec![1; n] })),
    ];
    let call = (arguments, flaw()).prop_map(|(arguments, flaw)| (arguments, flaw));
    let replay = prop::option::of((any::<bool>(), text()));
    (text(), prop::collection::vec(call, 0..5), flaw(), replay).prop_map(
        |(text, calls, flaw, replay)| {
            let calls = calls
                .into_iter()
                .map(|(arguments, flaw)| ToolCall { flaw, ..call_of("shell", arguments) });
            let replay = replay.map(|(ours, text)| Replay {
                of: if ours { "scripted/m" } else { "other/m" }.into(),
                data: json!(text),
            });
            ModelTurn { text, calls: calls.collect(), flaw, replay }
        },
    )
}

fn call_of(name: &str, arguments: Value) -> ToolCall {
    call("", name, arguments)
}

/// Something that happens: mostly as a flow does it, sometimes what no flow should do.
#[derive(Clone, Debug)]
enum Happening {
    Step(ModelTurn, Vec<Vec<Part>>),
    Said(Entry),
}

fn happening() -> impl Strategy<Value = Happening> {
    let results = prop::collection::vec(prop::collection::vec(part(), 0..3), 0..6);
    let plan = text().prop_map(|text| Entry::Plan { plan: plan(&[&text]) });
    let said = prop_oneof![
        text().prop_map(|text| Entry::Person { text }),
        text().prop_map(|text| Entry::Note { text }),
        (any::<u64>(), text()).prop_map(|(upto, text)| Entry::Summary { upto, text }),
        plan,
        Just(Entry::Results { results: vec![] }),
        turn().prop_map(|mut turn| {
            turn.calls.clear();
            Entry::Model { turn }
        }),
    ];
    prop_oneof![
        3 => (turn(), results).prop_map(|(turn, results)| Happening::Step(turn, results)),
        1 => said.prop_map(Happening::Said),
    ]
}

fn happen(context: &mut Context, n: usize, happening: &Happening) {
    match happening.clone() {
        Happening::Said(entry) => {
            context.append(entry).unwrap();
        }
        Happening::Step(mut turn, results) => {
            for (at, call) in turn.calls.iter_mut().enumerate() {
                call.id = format!("call_{n}_{at}");
            }
            let results = results.into_iter().enumerate().map(|(at, parts)| ToolResult {
                parts,
                ..result(&format!("call_{n}_{at}"), "shell", "")
            });
            let results = results.collect();
            context.append(Entry::Model { turn }).unwrap();
            context.append(Entry::Results { results }).unwrap();
        }
    }
}

fn assert_fits(request: &ModelRequest, window: u64) {
    let took = tokens(request);
    let output = u64::from(request.max_output_tokens);
    assert!(took + output + window / 20 <= window, "{took} + {output} of {window}");
    assert_sound(request);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_question_fits(
        task in text(),
        system in text(),
        happenings in prop::collection::vec(happening(), 0..40),
        window in prop::sample::select(vec![4096u64, 8192, 32_768, 131_072, 1_048_576]),
        output in 0u32..20_000,
        images in any::<bool>(),
    ) {
        let (mut context, file) = memory(window);
        context.memory.known.facts.images = images;
        let frame = Frame { system, max_output_tokens: output, ..frame() };
        context.append(Entry::Task { text: task.clone() }).unwrap();
        for (n, happening) in happenings.iter().enumerate() {
            happen(&mut context, n, happening);
            if n % 8 == 0 {
                let question = context.question(&frame).unwrap();
                assert_fits(&question, window);
                prop_assert_eq!(&context.question(&frame).unwrap(), &question);
            }
            if n % 5 == 0 && let Some(question) = context.summary_due() {
                assert_fits(&question, window);
                context.sum_up(None).unwrap();
            }
        }
        let question = context.question(&frame).unwrap();
        assert_fits(&question, window);
        let told = all_text(&question);
        let begin: String = task.chars().take(20).collect();
        prop_assert!(task.trim().is_empty() || told.contains(&begin));
        prop_assert!(context.readable().len() <= 64 * 1024);
        // Opened again, it asks the same.
        if images {
            let again = reopened(&file, window).question(&frame).unwrap();
            prop_assert_eq!(&serde_json::to_vec(&again).unwrap(), &serde_json::to_vec(&question).unwrap());
        }
    }
}

#[test]
fn task_plan_and_the_newest_words_of_a_person_are_in_every_question() {
    for window in [4096, 8192, 32_768, 1_048_576] {
        let (mut context, _file) = memory(window);
        context.append(Entry::Task { text: "Sort the list of birds".into() }).unwrap();
        context.set_plan(plan(&["find the birds"])).unwrap();
        context.append(Entry::Person { text: "first words".into() }).unwrap();
        context.append(Entry::Person { text: "only the blue ones".into() }).unwrap();
        for n in 0..60 {
            let printed = noise(n, 20_000);
            step(&mut context, n, "ls", &printed);
            let question = context.question(&frame()).unwrap();
            let told = all_text(&question);
            assert_fits(&question, window);
            for wanted in ["Sort the list of birds", "find the birds", "only the blue ones"] {
                assert!(told.contains(wanted), "{wanted} at step {n} in a window of {window}");
            }
            assert!(told.contains(&printed[..100]), "the last step in {window}");
        }
    }
}

#[test]
fn a_window_in_which_nothing_fits_gets_a_question_all_the_same() {
    let (mut context, _file) = memory(700);
    context.append(Entry::Task { text: noise(1, 50_000) }).unwrap();
    context.set_plan(plan(&[&noise(2, 50_000)])).unwrap();
    let calls = (0..200).map(|n| call(&format!("c{n}"), "shell", json!({}))).collect();
    context.append(model("twelve and more", calls)).unwrap();
    let frame = Frame { system: noise(3, 50_000), ..frame() };
    let question = context.question(&frame).unwrap();
    assert_sound(&question);
    assert!(tokens(&question) <= 1024 * 7 / 10, "{}", tokens(&question));
}

#[test]
fn the_newest_pictures_stay_longest() {
    let (mut context, _file) = memory(131_072);
    context.append(Entry::Task { text: "Look".into() }).unwrap();
    for n in 0..40u32 {
        let id = format!("c{n}");
        let picture = Part::Image {
            media_type: "image/png".into(),
            base64: "A".repeat(1000),
            width: 1000 + n,
            height: 800,
        };
        context.append(model("", vec![call(&id, "screenshot", json!({}))])).unwrap();
        let results = vec![ToolResult { parts: vec![picture], ..result(&id, "screenshot", "") }];
        context.append(Entry::Results { results }).unwrap();
        let question = context.question(&frame()).unwrap();
        let mut turns = question.turns.clone();
        let widths = turns.iter_mut().flat_map(parts).filter_map(|part| match part {
            Part::Image { width, .. } => Some(*width),
            Part::Text { .. } => None,
        });
        let widths: Vec<u32> = widths.collect();
        assert!(widths.len() <= 10 && widths.len() >= 2.min(n as usize + 1), "{widths:?}");
        assert_eq!(widths.last(), Some(&(1000 + n)));
    }
}

//! What `recall` finds.

use super::*;

fn context() -> Context {
    let (mut context, _file) = memory(131_072);
    context.append(Entry::Task { text: "The task".into() }).unwrap();
    step(&mut context, 0, "cat ÜBUNG.txt", "Die Straße heißt İstanbul Caddesi 12\nzweite Zeile");
    step(&mut context, 1, "cat noise", &noise(1, 50_000));
    step(&mut context, 2, "echo twice", "zeile zeile zeile");
    context
}

#[test]
fn an_entry_by_its_number_page_by_page() {
    let context = context();
    for query in ["#2", "2", " #2 "] {
        assert!(context.recall(query).unwrap().contains("Caddesi 12\nzweite Zeile"), "{query}");
    }
    let whole = noise(1, 50_000);
    let (mut seen, mut query) = (String::new(), "#4".to_owned());
    for _ in 0..100 {
        let page = context.recall(&query).unwrap();
        assert!(page.len() <= 12_000);
        let (_, body) = page.split_once('\n').unwrap();
        match body.rsplit_once("\n[recall {\"query\":\"") {
            Some((body, more)) => {
                seen += body;
                query = more.split_once('"').unwrap().0.to_owned();
            }
            None => {
                seen += body;
                break;
            }
        }
    }
    assert!(seen.contains(&whole));
    assert!(context.recall("#99").unwrap().contains("There is no #99"));
}

#[test]
fn words_whatever_their_case_with_what_stands_around_them() {
    let context = context();
    let found = context.recall("STRASSE straße").unwrap();
    assert!(found.contains("#2: ") && found.contains("Caddesi 12"), "{found}");
    let found = context.recall("übung").unwrap();
    assert!(found.contains("#1: "), "{found}");
    let found = context.recall("istanbul caddesi").unwrap();
    assert!(found.contains("#2: "), "{found}");
    // Both have the word; the one that has the whole phrase comes first.
    let found = context.recall("zweite zeile").unwrap();
    assert!(found.find("#2: ") < found.find("#6: "), "{found}");
    assert!(context.recall("nowhere").unwrap().starts_with("Nothing"));
    assert!(context.recall("  ").unwrap().starts_with("Say what"));
    for odd in ["#", "@", "#1@99999999", "\u{0}", "#-1", "İ", "🦀 ß"] {
        context.recall(odd).unwrap();
    }
}

#[test]
fn what_was_recalled_is_not_found_again() {
    let mut context = context();
    context.append(model("", vec![call("r", "recall", json!({"query": "caddesi"}))])).unwrap();
    let results = vec![result("r", "recall", "#2: Caddesi 12")];
    context.append(Entry::Results { results }).unwrap();
    assert!(context.recall("caddesi").unwrap().starts_with("1 entries"));
}

#[test]
fn the_readable_memory_tells_what_happened() {
    let mut context = context();
    context.set_plan(plan(&["read it all"])).unwrap();
    context.append(Entry::Person { text: "and quickly".into() }).unwrap();
    let text = context.readable();
    for wanted in
        ["The task", "[ ] read it all", "#5 shell: echo twice → #6 ok: zeile", "and quickly"]
    {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}

#[test]
fn the_readable_memory_has_the_newest_words_of_people_whole() {
    let mut context = context();
    for n in 0..5 {
        context.append(Entry::Person { text: noise(n, 5000) }).unwrap();
    }
    let text = context.readable();
    for n in 2..5 {
        assert!(text.contains(noise(n, 5000).trim()), "message {n}");
    }
    assert!(!text.contains(noise(1, 5000).trim()));
    context.append(Entry::Person { text: noise(9, 50_000) }).unwrap();
    assert!(context.readable().contains(&noise(9, 50_000)[..1000]));
}

#[test]
fn the_summary_of_no_model_names_files_and_what_commands_ended_with() {
    let (mut context, _file) = memory(8192);
    context.append(Entry::Task { text: "Build it".into() }).unwrap();
    for n in 0..40u64 {
        let path = format!("src/part{}.rs", n % 7);
        let id = format!("w{n}");
        let arguments = json!({ "path": path, "content": noise(n, 3000) });
        context.append(model("", vec![call(&id, "write_file", arguments)])).unwrap();
        let results = vec![result(&id, "write_file", "written")];
        context.append(Entry::Results { results }).unwrap();
        step(&mut context, n, "make all", &format!("exit code {n}\nno rule to make it"));
        // A model that answers at first only.
        while context.summary_due().is_some() {
            context.sum_up((n < 10).then_some("The model knows of the lighthouse.")).unwrap();
        }
    }
    let told = all_text(&context.question(&frame()).unwrap());
    for wanted in ["part0.rs", "part6.rs", "make all → #", "exit code 3", "no rule", "lighthouse"]
    {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert_eq!(told.matches("Files written:").count(), 1, "{told}");
}

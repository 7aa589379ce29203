use std::time::Instant;

use serde_json::json;

use crate::desk::Desk;

const PLAIN: &str = "1280x800";

/// A terminal that writes what is typed, line by line, to the file `typed`.
fn terminal(desk: &mut Desk) {
    let script = "while IFS= read -r line; do printf '%s\\n' \"$line\" >> typed; done";
    desk.start("xterm", &["-u8", "-T", "writer", "-e", "sh", "-c", script]);
    desk.until_it_says("\"writer\"");
    // Without a window manager what is under the pointer hears the keys.
    let at = json!({ "x": 100, "y": 100 });
    desk.does(json!({ "click": { "at": at, "button": "Left", "times": 1 } }), "words");
}

#[test]
fn sees_colours_where_they_are() {
    let mut desk = Desk::new(PLAIN);
    desk.run("xsetroot", &["-solid", "#204060"]);
    let told = desk.does(json!({ "look": { "region": null } }), "picture");
    let (width, height, rgb) = told.picture();
    assert_eq!((width, height), (1280, 800));
    assert!(rgb.chunks(3).all(|pixel| pixel == [0x20, 0x40, 0x60]));
    let region = json!([{ "x": 10, "y": 20 }, { "x": 29, "y": 24 }]);
    let told = desk.does(json!({ "look": { "region": region } }), "picture");
    assert_eq!((told.picture().0, told.picture().1), (20, 5));
    let whole = desk.ask(&json!("whole"));
    assert_eq!(whole.pixel(1279, 799), [0x20, 0x40, 0x60]);
}

#[test]
fn large_screens_are_scaled_and_places_with_them() {
    let mut desk = Desk::new("2560x1600");
    let told = desk.does(json!({ "look": { "region": null } }), "picture");
    assert_eq!((told.picture().0, told.picture().1), (1280, 800));
    let told = desk.does(json!({ "move": { "to": { "x": 640, "y": 400 } } }), "words");
    assert!(told.text.contains("pointer at 640,400"), "{}", told.text);
    let whole = desk.ask(&json!("whole"));
    assert_eq!((whole.picture().0, whole.picture().1), (2560, 1600));
    let why = desk.refuses(json!({ "move": { "to": { "x": 1280, "y": 0 } } }));
    assert!(why.contains("1280 x 800"), "{why}");
}

#[test]
fn types_any_character() {
    let mut desk = Desk::new(PLAIN);
    terminal(&mut desk);
    let hard = "Grüße, Ελλάδα! Привет 日本語 – “1€” ½ \\ ~ {x} | ñ ß";
    let more: String = ('\u{4e00}'..'\u{4e40}').collect();
    desk.does(
        json!({ "type": { "text": format!("{hard}\n{more}\nplain ASCII #!$%\n") } }),
        "words",
    );
    let typed = desk.until_file("typed", |text| text.lines().count() >= 3);
    assert_eq!(typed, format!("{hard}\n{more}\nplain ASCII #!$%\n"));
    let why = desk.refuses(json!({ "type": { "text": "\u{7}" } }));
    assert!(why.contains("cannot be typed"), "{why}");
}

#[test]
fn presses_chords() {
    let mut desk = Desk::new(PLAIN);
    terminal(&mut desk);
    desk.does(json!({ "type": { "text": "wrong" } }), "words");
    desk.does(json!({ "key": { "chord": "ctrl+u" } }), "words");
    desk.does(json!({ "type": { "text": "right" } }), "words");
    desk.does(json!({ "key": { "chord": "Return" } }), "words");
    assert_eq!(desk.until_file("typed", |text| text.ends_with('\n')), "right\n");
    assert!(desk.refuses(json!({ "key": { "chord": "ctrl+hm" } })).contains("no key \"hm\""));
}

#[test]
fn clicks_drags_and_scrolls_reach_programs() {
    let mut desk = Desk::new(PLAIN);
    let log = "exec stdbuf -oL xev -geometry 600x400+0+0 -event button -event mouse > events";
    desk.start("sh", &["-c", log]);
    desk.until_it_says("Event Tester");
    let at = json!({ "x": 200, "y": 150 });
    let click = |button: &str, times: u32| json!({ "click": { "at": at, "button": button, "times": times } });
    desk.does(click("Left", 2), "words");
    desk.does(click("Right", 1), "words");
    desk.does(click("Middle", 1), "words");
    desk.does(json!({ "scroll": { "at": null, "direction": "up", "amount": 3 } }), "words");
    let to = json!({ "x": 300, "y": 250 });
    desk.does(json!({ "drag": { "from": at, "to": to } }), "words");
    let presses = |text: &str, button: u32| {
        text.split("ButtonPress")
            .skip(1)
            .filter(|event| event.contains(&format!("button {button},")))
            .count()
    };
    let events =
        desk.until_file("events", |text| presses(text, 1) == 3 && text.contains("(300,250)"));
    let counts: Vec<_> = (1..=5).map(|button| presses(&events, button)).collect();
    assert_eq!(counts, [3, 1, 1, 3, 0]);
    assert!(events.matches("MotionNotify").count() >= 5, "a drag goes through the places between");
}

#[test]
fn the_clipboard_goes_both_ways() {
    let mut desk = Desk::new(PLAIN);
    assert_eq!(desk.does(json!("clipboard"), "words").text, "there is no text on it");
    desk.does(json!({ "copy": { "text": "zwei\n€ für Ελλάδα" } }), "words");
    assert_eq!(desk.run("xsel", &["--clipboard", "--output"]), "zwei\n€ für Ελλάδα");
    assert!(desk.does(json!("clipboard"), "words").text.ends_with("zwei\n€ für Ελλάδα"));
    // xsel returns before the clipboard is its own: it leaves that to a child.
    desk.run("sh", &["-c", "printf 'from a program ✓' | xsel --clipboard --input"]);
    desk.until_it_holds("from a program ✓");
}

#[test]
fn windows_are_told_and_brought_to_the_front() {
    let mut desk = Desk::new(PLAIN);
    assert_eq!(desk.does(json!("windows"), "words").text.lines().count(), 1);
    desk.manage();
    for (title, place) in [("first", "40x10+50+60"), ("second\u{1b}[31m", "40x10+500+60")] {
        desk.start("xterm", &["-T", title, "-geometry", place]);
        desk.until_it_says(&title[..5]);
    }
    desk.does(json!({ "activate": { "window": "first" } }), "words");
    let text = desk.until_it_says("\"first\" (XTerm) at 5");
    let active: Vec<_> = text.lines().filter(|line| line.ends_with(", active")).collect();
    assert!(active.len() == 1 && active[0].contains("first"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let why = desk.refuses(json!({ "activate": { "window": "third" } }));
    assert!(why.contains("\"first\""), "{why}");
}

#[test]
fn keys_do_not_overtake_a_click() {
    let mut desk = Desk::new(PLAIN);
    let manager = desk.manage();
    let log = "exec stdbuf -oL xev -geometry 600x400+0+0 -event button -event keyboard > events";
    desk.start("sh", &["-c", log]);
    desk.until_it_says(", active");
    // It looks at each click before the program gets it; here late.
    desk.run("kill", &["-STOP", &manager.to_string()]);
    let at = json!({ "x": 200, "y": 150 });
    desk.does(json!({ "click": { "at": at, "button": "Left", "times": 1 } }), "words");
    desk.start("sh", &["-c", &format!("sleep 0.5; kill -CONT {manager}")]);
    desk.does(json!({ "type": { "text": "k" } }), "words");
    let events = desk
        .until_file("events", |text| text.contains("ButtonPress") && text.contains("KeyRelease"));
    assert!(events.find("ButtonPress") < events.find("KeyPress"), "{events}");
}

#[test]
fn windows_that_come_while_they_begin_to_be_managed_are_shown() {
    for _ in 0..8 {
        let mut desk = Desk::new(PLAIN);
        for title in ["one", "two", "three"] {
            desk.start("xterm", &["-T", title]);
        }
        desk.manage();
        for title in ["one", "two", "three"] {
            desk.until_it_says(&format!("{title:?}"));
        }
    }
}

#[test]
fn a_change_is_waited_for() {
    let mut desk = Desk::new(PLAIN);
    desk.does(json!({ "look": { "region": null } }), "picture");
    // It may come before the order: what counts is what was seen.
    desk.run("xsetroot", &["-solid", "#ff0000"]);
    let told = desk.does(json!({ "wait": { "seconds": 20 } }), "picture");
    assert!(told.text.contains("the screen changed"), "{}", told.text);
    assert_eq!(told.pixel(5, 5), [255, 0, 0]);
    desk.start("sh", &["-c", "sleep 0.5; xsetroot -solid '#00ff00'"]);
    let began = Instant::now();
    let told = desk.does(json!({ "wait": { "seconds": 20 } }), "picture");
    assert_eq!(told.pixel(5, 5), [0, 255, 0]);
    assert!(began.elapsed().as_secs() < 10);
    let told = desk.does(json!({ "wait": { "seconds": 1 } }), "picture");
    assert!(told.text.contains("did not change"), "{}", told.text);
}

#[test]
fn what_the_server_takes_with_it_is_told() {
    let mut desk = Desk::new(PLAIN);
    desk.does(json!("windows"), "words");
    desk.stop_server();
    assert_eq!(desk.helper_ends(), Some(1));
}

/// `cargo test -p agent --test screen --release -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_long_things_take() {
    let mut desk = Desk::new(PLAIN);
    terminal(&mut desk);
    let mut median = |what: &str, request: serde_json::Value| {
        let mut times: Vec<_> = (0..30)
            .map(|_| {
                let began = Instant::now();
                let told = desk.ask(&request);
                assert!(told.ok);
                (began.elapsed(), told.png.len())
            })
            .collect();
        times.sort_unstable();
        eprintln!("{what}: {:?}, {} bytes", times[15].0, times[15].1);
    };
    median("whole", json!("whole"));
    median("look", json!({ "do": { "order": { "look": { "region": null } }, "show": "picture" } }));
    median("windows", json!({ "do": { "order": "windows", "show": "words" } }));
}

#[test]
fn a_screen_that_a_person_made_as_large_as_their_window_gets_its_size_again() {
    let mut desk = Desk::new(PLAIN);
    desk.manage();
    let size = |desk: &mut Desk| {
        let told = desk.ask(&json!("whole"));
        (told.picture().0, told.picture().1)
    };
    // As viewers do it, not by a size that the server offers.
    desk.resize(1300, 779);
    assert_eq!(size(&mut desk), (1300, 779));
    for _ in 0..2 {
        let again = desk.ask(&json!({ "resize": { "width": 1280, "height": 800 } }));
        assert!(again.ok, "{}", again.text);
        assert_eq!(size(&mut desk), (1280, 800));
    }
    let odd = desk.ask(&json!({ "resize": { "width": 1281, "height": 801 } }));
    assert!(!odd.ok && odd.text.contains("1281 x 801"), "{}", odd.text);
}

#[test]
fn an_empty_screen_is_not_black() {
    let mut desk = Desk::new(PLAIN);
    desk.manage();
    let grey = [0x2e, 0x34, 0x36];
    assert_eq!(desk.ask(&json!("whole")).pixel(640, 400), grey);
    desk.resize(1500, 900);
    assert_eq!(desk.ask(&json!("whole")).pixel(1499, 899), grey);
}

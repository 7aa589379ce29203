//! The tool for the desktop, where there is none. Where there is one: `crates/cagent/tests/desktop`.

use protocol::{AgentSpec, Verdict};
use serde_json::json;

use crate::script::{TRIVIAL, call, calls, finish, last_of, script, shell, start, task};

#[test]
fn one_that_was_asked_for_and_is_not_there_is_missed_once() {
    let environment = [("PATH".into(), "/nowhere".into())].into();
    let spec = AgentSpec { environment, desktop: true, ..task(TRIVIAL) };
    let answers = vec![calls(vec![shell("true")]), calls(vec![finish(&[], &[])])];
    let (log, _dir) = start(spec, script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    let says_so = |text: &str| text.contains("asked for is not there") && text.contains("no Xvnc");
    assert_eq!(log.notices().iter().filter(|text| says_so(text)).count(), 1);
    assert!(says_so(&last_of(&log.questions[0])), "{:?}", log.questions[0]);
    assert!(!says_so(&last_of(&log.questions[1])));
}

#[test]
fn where_there_is_none_it_is_not_offered_and_says_how_to_get_one() {
    let environment = [("PATH".into(), "/nowhere".into())].into();
    let spec = AgentSpec { environment, ..task(TRIVIAL) };
    let answers = vec![
        calls(vec![call("desktop", json!({ "action": "screenshot" }))]),
        calls(vec![shell("[ -z \"$DISPLAY\" ]")]),
        calls(vec![finish(&[], &[])]),
    ];
    let (log, _dir) = start(spec, script(answers)).finish();
    assert_eq!(log.verdict(), Verdict::Complete);
    assert!(log.questions[0].tools.iter().all(|tool| tool.name != "desktop"));
    let told = last_of(&log.questions[1]);
    assert!(told.contains("no Xvnc") && told.contains("apt-get install tigervnc"), "{told}");
}

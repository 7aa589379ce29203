/// What follows the thoughts that a text begins with; none if it begins with no thoughts. Only
/// there: later on, the tags are something the model speaks of.
pub(super) fn without(text: &str) -> Option<&str> {
    TAGS.iter().find_map(|(open, close)| after(text, open, close))
}

const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

fn after<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let end = text.find(close);
    let rest = || end.map_or("", |at| text[at + close.len()..].trim_start());
    if text.starts_with(open) {
        return Some(rest());
    }
    // Some templates put the opening tag into the question.
    let at = end.filter(|at| !text[..*at].contains(open))?;
    let own_line = text[..at].trim_end_matches(' ').ends_with('\n') || at == 0;
    own_line.then(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_a_text_are_thoughts() {
        assert_eq!(without("<think>hm\nhm</think>\n\nHello"), Some("Hello"));
        assert_eq!(without(" <thinking>hm</thinking>Hello"), Some("Hello"));
        assert_eq!(without("hm\n</think>\nHello"), Some("Hello"));
        assert_eq!(without("<think>cut off"), Some(""));
        assert_eq!(without("The tag </think> ends thoughts"), None);
        assert_eq!(without("The tag <think>\n</think> ends"), None);
        assert_eq!(without("Hello"), None);
    }
}

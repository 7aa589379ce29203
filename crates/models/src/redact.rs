//! Keys taken out of what providers say.

use reqwest::Url;

use crate::{Provider, Secret};

/// Shorter keys are no secrets: `none`, `EMPTY`, `ollama` for servers that want just any. Nobody may
/// find those taken out of the code that a model wrote.
const SHORTEST: usize = 16;

/// So many bytes of a key's beginning are enough to take out what there is of it: an error may have
/// been cut in its middle.
const TRACE: usize = 12;

/// An answer without our key, and otherwise as it is: files are written from it.
pub(crate) fn answer(provider: &Provider, text: &str) -> String {
    match provider.key.as_ref().filter(|key| key.expose().len() >= SHORTEST) {
        Some(key) => key.redact(text),
        None => text.to_owned(),
    }
}

/// An error without our key, beginnings of it, and what may be one in the base URL's path.
pub(crate) fn error(provider: &Provider, text: &str) -> String {
    let key = provider.key.iter().map(Secret::expose);
    let secrets = key.chain(in_path(&provider.base_url)).filter(|key| key.len() >= SHORTEST);
    secrets.fold(text.to_owned(), |text, key| without(&text, key))
}

/// A base URL without what may be a key in it.
pub(crate) fn url(url: &Url) -> String {
    in_path(url).fold(url.to_string(), |text, key| without(&text, key))
}

fn without(text: &str, key: &str) -> String {
    let begins = &key[..key.floor_char_boundary(TRACE)];
    let mut pieces = text.split(begins);
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let more = piece.chars().zip(key[begins.len()..].chars()).take_while(|(a, b)| a == b);
        kept.push_str("[key]");
        kept.push_str(&piece[more.map(|(c, _)| c.len_utf8()).sum()..]);
    }
    kept
}

/// Parts of the path that may be keys, as proxies have them there. Words have no digits.
fn in_path(url: &Url) -> impl Iterator<Item = &str> {
    let has = |part: &str, of: fn(&u8) -> bool| part.as_bytes().iter().any(of);
    let segments = url.path_segments().into_iter().flatten().filter(|part| part.len() >= SHORTEST);
    segments.filter(move |part| has(part, u8::is_ascii_digit) && has(part, u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::fixtures::provider;

    const KEY: &str = "sk-0123456789abcdef";

    #[test]
    fn a_deployment_s_name_stays_in_answers_and_a_key_nowhere() {
        let mut azure = provider(Kind::OpenAi);
        let deployment = "gpt-4o-mini-2024-07-18";
        azure.base_url = format!("https://h/openai/deployments/{deployment}").parse().unwrap();
        azure.key = Some(Secret::new(KEY));
        let said = format!("model: {deployment}, key: {KEY}");
        assert_eq!(answer(&azure, &said), format!("model: {deployment}, key: [key]"));
        assert_eq!(error(&azure, &said), "model: [key], key: [key]");
        assert!(!format!("{azure:?}").contains(deployment), "{azure:?}");
    }

    #[test]
    fn what_is_left_of_a_cut_key_goes_too() {
        let mut openai = provider(Kind::OpenAi);
        openai.key = Some(Secret::new(KEY));
        for (said, kept) in [
            ("bad: sk-012345678", "bad: [key]"),
            ("bad: sk-012345678 sk-0123456789abcdefgh", "bad: [key] [key]gh"),
            ("bad: sk-01234567", "bad: sk-01234567"),
        ] {
            assert_eq!(error(&openai, said), kept);
        }
    }
}

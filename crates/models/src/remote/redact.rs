use reqwest::Url;

use crate::{Provider, Secret};

/// Shorter keys are no secrets: `none`, `EMPTY`, `ollama` for servers that want just any. Nobody may
/// find those taken out of the code that a model wrote.
const SHORTEST: usize = 16;

/// Takes a provider's keys out of what it says.
#[derive(Debug)]
pub(super) struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    pub(super) fn new(provider: &Provider) -> Self {
        let key = provider.key.iter().map(Secret::expose);
        let secrets = key.chain(in_path(&provider.base_url)).filter(|key| key.len() >= SHORTEST);
        Self { secrets: secrets.map(Secret::new).collect() }
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }
}

/// Parts of the path that may be keys, as proxies have them there. Words have no digits.
fn in_path(url: &Url) -> impl Iterator<Item = &str> {
    let has = |part: &str, of: fn(&u8) -> bool| part.as_bytes().iter().any(of);
    let segments = url.path_segments().into_iter().flatten();
    segments.filter(move |part| has(part, u8::is_ascii_digit) && has(part, u8::is_ascii_alphabetic))
}

//! Who is asked for a job, by the words that people use.

use crate::Provider;

/// The longest name of a model, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Who is asked for one job, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Places in the list of providers, and the model where it is not the provider's own.
    pub(super) order: Vec<(usize, Option<String>)>,
}

/// Nobody has this model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no model {asked:?}; available: {}",
    if available.is_empty() { "none, no provider is configured".into() } else { available.join(", ") }
)]
pub struct UnknownModel {
    /// What was asked for.
    pub asked: String,
    /// What there is, as `provider/model`.
    pub available: Vec<String>,
}

/// Who is asked for this; nothing means the usual order.
pub(super) fn choose(providers: &[Provider], wanted: Option<&str>) -> Result<Choice, UnknownModel> {
    let usual = (0..providers.len()).map(|at| (at, None));
    let Some(asked) = wanted.map(str::trim) else { return Ok(Choice { order: usual.collect() }) };
    let first = find(providers, asked).ok_or_else(|| UnknownModel {
        asked: asked.chars().take(MAX_NAME_BYTES).collect(),
        available: providers.iter().map(Provider::name).collect(),
    })?;
    let others = usual.filter(|(at, _)| *at != first.0);
    Ok(Choice { order: std::iter::once(first.clone()).chain(others).collect() })
}

/// A model that somebody has set comes first, since its name may have a `/` in it too.
fn find(providers: &[Provider], asked: &str) -> Option<(usize, Option<String>)> {
    let by = |is: &dyn Fn(&Provider) -> bool| Some((providers.iter().position(is)?, None));
    by(&|p| p.model == asked).or_else(|| by(&|p| p.kind.as_str() == asked)).or_else(|| {
        let (kind, model) = asked.split_once('/')?;
        let at = providers.iter().position(|p| p.kind.as_str() == kind)?;
        let other = (providers[at].model != model).then(|| model.to_owned());
        is_name(model).then_some((at, other))
    })
}

/// Whether this can be a model's name. It becomes a part of an address, next to our key.
fn is_name(model: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c);
    let fits = !model.is_empty() && model.len() <= MAX_NAME_BYTES;
    fits && model.chars().all(is_part) && !model.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::fixtures::provider;

    fn choice(wanted: &str) -> Result<Vec<(usize, Option<String>)>, String> {
        let mut openai = provider(Kind::OpenAi);
        openai.model = "meta/llama-4".into();
        let all = [provider(Kind::Alchemyst), provider(Kind::Gemini), openai];
        choose(&all, Some(wanted)).map(|choice| choice.order).map_err(|e| e.to_string())
    }

    #[test]
    fn a_model_is_named_by_its_provider_or_by_itself_or_by_both() {
        let gemini_first = vec![(1, None), (0, None), (2, None)];
        for name in ["gemini", "gemini-1", "gemini/gemini-1", " gemini "] {
            assert_eq!(choice(name).as_ref(), Ok(&gemini_first), "{name}");
        }
        let other = Some("gemini-pro".to_owned());
        assert_eq!(choice("gemini/gemini-pro"), Ok(vec![(1, other), (0, None), (2, None)]));
        assert_eq!(choice("meta/llama-4").unwrap()[0], (2, None));
        assert_eq!(choice("openai/meta/llama-4").unwrap()[0], (2, None));
        let slashed = Some("x/y:free".to_owned());
        assert_eq!(choice("openai/x/y:free").unwrap()[0], (2, slashed));
    }

    #[test]
    fn nothing_wanted_is_the_usual_order() {
        let all = [provider(Kind::Gemini), provider(Kind::Ollama)];
        assert_eq!(choose(&all, None).unwrap().order, [(0, None), (1, None)]);
    }

    #[test]
    fn what_nobody_has_is_refused_with_what_there_is() {
        for name in
            ["gpt-9", "anthropic", "gemini/", "", "gemini/../x", "gemini/a?key=b", "openai/ä"]
        {
            let error = choice(name).unwrap_err();
            let list = "alchemyst/alchemyst-1, gemini/gemini-1, openai/meta/llama-4";
            assert_eq!(error, format!("there is no model {name:?}; available: {list}"));
        }
        let endless = choice(&format!("gemini/{}", "x".repeat(10_000))).unwrap_err();
        assert!(endless.len() < 400, "{endless}");
        let nobody = choose(&[], Some("gemini")).unwrap_err().to_string();
        assert!(nobody.ends_with("no provider is configured"), "{nobody}");
    }
}

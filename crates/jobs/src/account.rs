//! Which models a job asked, and what they took: a sum of its events. Pure.

use serde::Serialize;
use types::{ModelCall, Usd};

/// What one model took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ModelUse {
    provider: String,
    model: String,
    calls: u64,
    failed: u64,
    input_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    cost_usd: Option<Usd>,
}

/// Adds a call to the model it was of.
pub(crate) fn add(uses: &mut Vec<ModelUse>, call: &ModelCall) {
    let same = |of: &ModelUse| of.provider == call.provider && of.model == call.model;
    let at = uses.iter().position(same).unwrap_or_else(|| {
        let (provider, model) = (call.provider.clone(), call.model.clone());
        uses.push(ModelUse { provider, model, ..ModelUse::default() });
        uses.len() - 1
    });
    let of = &mut uses[at];
    of.calls += 1;
    of.failed += u64::from(call.error.is_some());
    of.input_tokens = of.input_tokens.saturating_add(call.usage.input_tokens);
    of.cached_tokens = of.cached_tokens.saturating_add(call.usage.cached_tokens);
    of.output_tokens = of.output_tokens.saturating_add(call.usage.output_tokens);
    if let Some(cost) = call.cost_usd {
        of.cost_usd = Some(of.cost_usd.unwrap_or_default().plus(cost));
    }
}

#[cfg(test)]
mod tests {
    use types::TokenUsage;

    use super::*;

    #[test]
    fn calls_are_summed_up_for_each_model() {
        let call = |model: &str, micros: Option<u64>, error: Option<&str>| ModelCall {
            provider: "gemini".into(),
            model: model.into(),
            usage: TokenUsage { input_tokens: 10, output_tokens: 2, ..TokenUsage::default() },
            cost_usd: micros.map(|micros| Usd { micros }),
            millis: 1,
            error: error.map(str::to_owned),
        };
        let mut uses = vec![];
        for call in [call("a", Some(5), None), call("b", None, None), call("a", None, Some("x"))] {
            add(&mut uses, &call);
        }
        let sums: Vec<_> = uses.iter().map(|of| (&*of.model, of.calls, of.failed)).collect();
        assert_eq!(sums, [("a", 2, 1), ("b", 1, 0)]);
        assert_eq!((uses[0].input_tokens, uses[0].output_tokens), (20, 4));
        assert_eq!((uses[0].cost_usd, uses[1].cost_usd), (Some(Usd { micros: 5 }), None));
    }
}

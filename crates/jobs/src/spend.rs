//! What a job's agent may spend on models. Pure.
//!
//! Not here: who keeps count, and when ([`crate::ask`]).

use models::{OverBudget, Price};
use store::Spend;
use types::{Limits, ModelCall, Reason, TokenUsage, Usd};

/// The shortest answer worth asking for, in tokens.
const LEAST_OUTPUT: u32 = 256;

/// What calls under way may come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reserved {
    tokens: u64,
    cost: Usd,
}

impl Reserved {
    /// The most that one call may come to.
    pub(crate) fn new(input_tokens: u64, output_tokens: u64, price: Option<Price>) -> Self {
        let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
        let cost = price.map(|price| price.of(&usage)).unwrap_or_default();
        Self { tokens: input_tokens.saturating_add(output_tokens), cost }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let tokens = self.tokens.saturating_add(other.tokens);
        Self { tokens, cost: self.cost.plus(other.cost) }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        let micros = self.cost.micros.saturating_sub(other.cost.micros);
        Self { tokens: self.tokens.saturating_sub(other.tokens), cost: Usd { micros } }
    }
}

/// A call that somebody wants to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Our guess at the question.
    pub(crate) input_tokens: u64,
    /// How long the answer should be at most.
    pub(crate) output_tokens: u32,
    pub(crate) price: Option<Price>,
}

impl Wanted {
    /// What it may come to with an answer of so many tokens.
    pub(crate) fn with(self, output_tokens: u64) -> Reserved {
        Reserved::new(self.input_tokens, output_tokens, self.price)
    }
}

/// Counts a call that is about to be made, and says how long its answer may be: rather a short one
/// than none. With it the call comes to no more than what is left beside the `others` under way, if
/// our guess at the question is right.
///
/// # Errors
/// Which limit would be passed, however short the answer.
pub(crate) fn reserve(
    spend: &mut Spend,
    call: Wanted,
    others: Reserved,
    limits: &Limits,
) -> Result<u32, OverBudget> {
    let over = |reason, error: String| Err(OverBudget { reason, error });
    if spend.model_calls >= limits.model_calls {
        let text = format!(
            "models were called as often as limits.model_calls allows: {}",
            limits.model_calls
        );
        return over(Reason::LimitModelCalls, text);
    }
    let least = call.output_tokens.min(LEAST_OUTPUT);
    let most = call.with(least.into()).plus(others);
    let spent = tokens(spend);
    if spent.saturating_add(most.tokens) > limits.model_tokens {
        let text = format!(
            "models read and wrote {spent} tokens, and the next call may take {}; \
             limits.model_tokens allows {}",
            most.tokens, limits.model_tokens
        );
        return over(Reason::LimitModelTokens, text);
    }
    let cost = spend.cost.unwrap_or_default();
    let allowed = Usd::from_dollars(limits.cost_usd);
    if cost >= allowed || cost.plus(most.cost) > allowed {
        let text = format!(
            "models cost ${:.6}, and the next call may cost ${:.6}; limits.cost_usd allows ${}",
            cost.dollars(),
            most.cost.dollars(),
            limits.cost_usd
        );
        return over(Reason::LimitCost, text);
    }
    spend.model_calls += 1;
    Ok(call.output_tokens.min(affordable(spend, call, others, limits).max(least)))
}

/// Adds what a call came to.
pub(crate) fn add(spend: &mut Spend, call: &ModelCall) {
    spend.input_tokens = spend.input_tokens.saturating_add(call.usage.input_tokens);
    spend.output_tokens = spend.output_tokens.saturating_add(call.usage.output_tokens);
    if let Some(cost) = call.cost_usd {
        spend.cost = Some(spend.cost.unwrap_or_default().plus(cost));
    }
}

/// How many tokens of answer what is left is worth.
fn affordable(spend: &Spend, call: Wanted, others: Reserved, limits: &Limits) -> u32 {
    let taken = call.with(0).plus(others);
    let left = limits.model_tokens.saturating_sub(tokens(spend)).saturating_sub(taken.tokens);
    let spent = spend.cost.unwrap_or_default().plus(taken.cost);
    let left = call.price.map_or(left, |price| left.min(for_money(limits.cost_usd, spent, price)));
    u32::try_from(left).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn for_money(allowed: f64, spent: Usd, price: Price) -> u64 {
    // Costs are rounded: without this the last token may be a millionth of a dollar too dear.
    let left = allowed - spent.dollars() - 1e-6;
    (left / price.output * 1e6) as u64
}

fn tokens(spend: &Spend) -> u64 {
    spend.input_tokens.saturating_add(spend.output_tokens)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRICE: Price = Price { input: 100.0, cached: 100.0, output: 1000.0 };

    fn limits() -> Limits {
        Limits { model_calls: 3, model_tokens: 10_000, cost_usd: 1.0, ..Limits::default() }
    }

    fn spent(input_tokens: u64, output_tokens: u64, micros: u64) -> Spend {
        let cost = Some(Usd { micros });
        Spend { input_tokens, output_tokens, cost, ..Spend::default() }
    }

    fn call(input_tokens: u64, output_tokens: u32) -> Wanted {
        Wanted { input_tokens, output_tokens, price: None }
    }

    fn dear(input_tokens: u64, output_tokens: u32) -> Wanted {
        Wanted { price: Some(PRICE), ..call(input_tokens, output_tokens) }
    }

    /// How long the answer may be.
    fn granted(mut spend: Spend, call: Wanted, others: Reserved) -> Result<u32, Reason> {
        let before = spend;
        let granted = reserve(&mut spend, call, others, &limits()).map_err(|over| over.reason);
        let counted = spend.model_calls - before.model_calls;
        assert_eq!(counted, u32::from(granted.is_ok()), "a call that is made is counted");
        granted
    }

    #[test]
    fn a_call_is_made_only_if_a_short_answer_fits_beside_those_under_way() {
        let (tokens, cost) = (Err(Reason::LimitModelTokens), Err(Reason::LimitCost));
        let none = Reserved::default();
        assert_eq!(granted(spent(0, 0, 0), call(9744, 1000), none), Ok(256));
        assert_eq!(granted(spent(0, 0, 0), call(9745, 1000), none), tokens);
        assert_eq!(granted(spent(1, 0, 0), call(9744, 1000), none), tokens);
        assert_eq!(granted(spent(1, 0, 0), call(9989, 10), none), Ok(10), "no more was wanted");
        let other = call(4000, 0).with(1000);
        assert_eq!(granted(spent(0, 0, 0), call(4744, 1000), other), Ok(256));
        assert_eq!(granted(spent(0, 0, 0), call(4745, 1000), other), tokens);
        assert_eq!(granted(spent(0, 0, 0), dear(7440, 1000), none), Ok(256));
        assert_eq!(granted(spent(0, 0, 1), dear(7440, 1000), none), cost);
        let other = dear(0, 0).with(744);
        assert_eq!(granted(spent(0, 0, 0), dear(0, 1000), other), Ok(256));
        assert_eq!(granted(spent(0, 0, 1), dear(0, 1000), other), cost);
        let used_up = Spend { model_calls: 3, ..Spend::default() };
        assert_eq!(granted(used_up, call(1, 1), none), Err(Reason::LimitModelCalls));
        assert_eq!(granted(spent(0, 0, 1_000_000), call(1, 1), none), cost);
    }

    #[test]
    fn the_last_answers_are_short() {
        let none = Reserved::default();
        let granted = |spend, call| granted(spend, call, none).unwrap();
        assert_eq!(granted(spent(0, 0, 0), call(500, 8000)), 8000);
        assert_eq!(granted(spent(5000, 500, 0), call(500, 8000)), 4000);
        // 0.05 for the question leaves 0.95, less what rounding may add.
        assert_eq!(granted(spent(0, 0, 0), dear(500, 8000)), 949);
        assert_eq!(granted(spent(0, 0, 500_000), dear(500, 8000)), 449);
        let price = Some(Price { input: 0.0, cached: 0.0, output: 0.0 });
        assert_eq!(granted(spent(0, 0, 0), Wanted { price, ..call(500, 8000) }), 8000);
    }

    proptest! {
        #[test]
        fn what_keeps_to_what_it_reserved_never_passes_a_limit(
            calls in prop::collection::vec((1..3000_u64, 1..3000_u32, any::<bool>()), 1..30),
        ) {
            let (mut spend, mut reserved, mut open) = (Spend::default(), Reserved::default(), vec![]);
            for (input_tokens, wanted, waits) in calls {
                let call = dear(input_tokens, wanted);
                if let Ok(granted) = reserve(&mut spend, call, reserved, &limits()) {
                    prop_assert!(granted <= wanted);
                    let output_tokens = u64::from(granted);
                    let call = call.with(output_tokens);
                    reserved = reserved.plus(call);
                    open.push((call, input_tokens, output_tokens));
                }
                if !waits {
                    for (call, input_tokens, output_tokens) in open.drain(..) {
                        let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
                        let (provider, model) = (String::new(), String::new());
                        let cost_usd = Some(PRICE.of(&usage));
                        let (millis, error) = (1, None);
                        add(&mut spend, &ModelCall { provider, model, usage, cost_usd, millis, error });
                        reserved = reserved.minus(call);
                    }
                }
                prop_assert!(tokens(&spend) <= 10_000 && spend.model_calls <= 3);
                prop_assert!(spend.cost.unwrap_or_default().dollars() <= 1.0);
            }
        }
    }
}

//! What a job's agent may spend on models. Pure.
//!
//! Not here: who keeps count, and when ([`crate::ask`]).

use models::{OverBudget, Price};
use store::Spend;
use types::{Limits, ModelCall, Reason, TokenUsage, Usd};

/// The shortest answer worth asking for, in tokens.
const LEAST_OUTPUT: u64 = 256;

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

/// Counts a call that is about to be made, if it cannot come to more than what is left beside the
/// `others` under way.
///
/// # Errors
/// Which limit would be passed.
pub(crate) fn reserve(
    spend: &mut Spend,
    call: Reserved,
    others: Reserved,
    limits: &Limits,
) -> Result<(), OverBudget> {
    let over = |reason, error: String| Err(OverBudget { reason, error });
    if spend.model_calls >= limits.model_calls {
        let text = format!("models were called {} times: limits.model_calls", spend.model_calls);
        return over(Reason::LimitModelCalls, text);
    }
    let most = call.plus(others);
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
            "models cost ${:.4}, and the next call may cost ${:.4}; limits.cost_usd allows ${}",
            cost.dollars(),
            most.cost.dollars(),
            limits.cost_usd
        );
        return over(Reason::LimitCost, text);
    }
    spend.model_calls += 1;
    Ok(())
}

/// Adds what a call came to.
pub(crate) fn add(spend: &mut Spend, call: &ModelCall) {
    spend.input_tokens = spend.input_tokens.saturating_add(call.usage.input_tokens);
    spend.output_tokens = spend.output_tokens.saturating_add(call.usage.output_tokens);
    if let Some(cost) = call.cost_usd {
        spend.cost = Some(spend.cost.unwrap_or_default().plus(cost));
    }
}

/// How long an answer to so many tokens may be, of which so many are wanted: rather a short one than
/// none.
pub(crate) fn affordable(
    wanted: u32,
    input: u64,
    price: Option<Price>,
    spend: &Spend,
    limits: &Limits,
) -> u32 {
    let tokens = limits.model_tokens.saturating_sub(tokens(spend)).saturating_sub(input);
    let left = price.map_or(tokens, |price| tokens.min(for_money(input, price, spend, limits)));
    wanted.min(u32::try_from(left.max(LEAST_OUTPUT)).unwrap_or(u32::MAX))
}

/// How many tokens of answer what is left of the money is worth.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn for_money(input: u64, price: Price, spend: &Spend, limits: &Limits) -> u64 {
    let question = Reserved::new(input, 0, Some(price)).cost;
    let spent = spend.cost.unwrap_or_default().plus(question).dollars();
    ((limits.cost_usd - spent) / price.output * 1e6) as u64
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

    fn refused(mut spend: Spend, call: Reserved, others: Reserved) -> Option<Reason> {
        let before = spend;
        let refused = reserve(&mut spend, call, others, &limits()).err().map(|over| over.reason);
        let counted = spend.model_calls - before.model_calls;
        assert_eq!(counted, u32::from(refused.is_none()), "a call that is made is counted");
        refused
    }

    #[test]
    fn a_call_is_made_only_if_its_worst_fits_beside_those_under_way() {
        let call = |input| Reserved::new(input, 1000, None);
        let none = Reserved::default();
        assert_eq!(refused(spent(0, 0, 0), call(9000), none), None);
        assert_eq!(refused(spent(0, 0, 0), call(9001), none), Some(Reason::LimitModelTokens));
        assert_eq!(refused(spent(1, 0, 0), call(9000), none), Some(Reason::LimitModelTokens));
        assert_eq!(refused(spent(0, 0, 0), call(4000), call(4001)), Some(Reason::LimitModelTokens));
        let dear = |output| Reserved::new(0, output, Some(PRICE));
        assert_eq!(refused(spent(0, 0, 0), dear(1000), none), None);
        assert_eq!(refused(spent(0, 0, 1), dear(1000), none), Some(Reason::LimitCost));
        assert_eq!(refused(spent(0, 0, 0), dear(500), dear(501)), Some(Reason::LimitCost));
        let used_up = Spend { model_calls: 3, ..Spend::default() };
        assert_eq!(refused(used_up, call(1), none), Some(Reason::LimitModelCalls));
        assert_eq!(refused(spent(0, 0, 1_000_000), call(1), none), Some(Reason::LimitCost));
    }

    #[test]
    fn the_last_answers_are_short() {
        let affordable = |price, spend| affordable(8000, 500, price, &spend, &limits());
        assert_eq!(affordable(None, spent(0, 0, 0)), 8000);
        assert_eq!(affordable(None, spent(5000, 500, 0)), 4000);
        assert_eq!(affordable(None, spent(9999, 0, 0)), 256);
        // 0.05 for the question leaves 0.95.
        assert_eq!(affordable(Some(PRICE), spent(0, 0, 0)), 950);
        assert_eq!(affordable(Some(PRICE), spent(0, 0, 999_999)), 256);
        let free = Price { input: 0.0, cached: 0.0, output: 0.0 };
        assert_eq!(affordable(Some(free), spent(0, 0, 0)), 8000);
    }

    proptest! {
        #[test]
        fn what_keeps_to_what_it_reserved_never_passes_a_limit(
            calls in prop::collection::vec((1..3000_u64, 1..3000_u64, any::<bool>()), 1..30),
        ) {
            let (mut spend, mut reserved, mut open) = (Spend::default(), Reserved::default(), vec![]);
            for (input_tokens, output_tokens, waits) in calls {
                let call = Reserved::new(input_tokens, output_tokens, Some(PRICE));
                if reserve(&mut spend, call, reserved, &limits()).is_ok() {
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

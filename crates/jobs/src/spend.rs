//! What a job's agent may spend on models. Pure.
//!
//! Not here: who keeps count, and when ([`crate::ask`]).

use models::{OverBudget, Price};
use store::{Reserved, Spend};
use types::{Limits, ModelCall, Reason, TokenUsage, Usd};

/// The shortest answer worth asking for, in tokens.
const LEAST_OUTPUT: u32 = 256;

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
        let input_tokens = self.input_tokens;
        let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
        let cost = self.price.map(|price| price.of(&usage)).unwrap_or_default();
        Reserved { input_tokens, output_tokens, cost }
    }
}

/// Counts a call that is about to be made and reserves what it may come to; says how long its answer
/// may be: rather a short one than none. With it the call comes to no more than what is left beside
/// the others under way, if our guess at the question is right.
///
/// # Errors
/// Which limit would be passed, however short the answer.
pub(crate) fn reserve(spend: &mut Spend, call: Wanted, limits: &Limits) -> Result<u32, OverBudget> {
    let over = |reason, error: String| Err(OverBudget { reason, error });
    if spend.model_calls >= limits.model_calls {
        let text = format!(
            "models were called as often as limits.model_calls allows: {}",
            limits.model_calls
        );
        return over(Reason::LimitModelCalls, text);
    }
    let least = call.output_tokens.min(LEAST_OUTPUT);
    let most = plus(spend.reserved, call.with(least.into()));
    let (spent, more) = (tokens(spend), most.input_tokens.saturating_add(most.output_tokens));
    if spent.saturating_add(more) > limits.model_tokens {
        let text = format!(
            "models read and wrote {spent} tokens, and the next call may take {more}; \
             limits.model_tokens allows {}",
            limits.model_tokens
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
    let granted = call.output_tokens.min(affordable(spend, call, limits).max(least));
    spend.reserved = plus(spend.reserved, call.with(granted.into()));
    Ok(granted)
}

/// Counts what a call came to instead of what was reserved for it.
pub(crate) fn settle(spend: &mut Spend, call: &ModelCall, reserved: Reserved) {
    spend.reserved = minus(spend.reserved, reserved);
    add(spend, &call.usage, call.cost_usd);
}

/// Undoes what was counted and reserved for a call that was not made.
pub(crate) fn give_back(spend: &mut Spend, reserved: Reserved) {
    spend.model_calls = spend.model_calls.saturating_sub(1);
    spend.reserved = minus(spend.reserved, reserved);
}

/// Counts what is reserved as spent, because nobody will know what the calls came to; how much that
/// is, if there were any.
pub(crate) fn forfeit(spend: &mut Spend) -> Option<Reserved> {
    let lost = std::mem::take(&mut spend.reserved);
    let Reserved { input_tokens, output_tokens, cost } = lost;
    let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
    add(spend, &usage, (cost != Usd::default()).then_some(cost));
    (lost != Reserved::default()).then_some(lost)
}

fn add(spend: &mut Spend, usage: &TokenUsage, cost: Option<Usd>) {
    spend.input_tokens = spend.input_tokens.saturating_add(usage.input_tokens);
    spend.output_tokens = spend.output_tokens.saturating_add(usage.output_tokens);
    if let Some(cost) = cost {
        spend.cost = Some(spend.cost.unwrap_or_default().plus(cost));
    }
}

fn plus(one: Reserved, other: Reserved) -> Reserved {
    Reserved {
        input_tokens: one.input_tokens.saturating_add(other.input_tokens),
        output_tokens: one.output_tokens.saturating_add(other.output_tokens),
        cost: one.cost.plus(other.cost),
    }
}

fn minus(one: Reserved, other: Reserved) -> Reserved {
    let micros = one.cost.micros.saturating_sub(other.cost.micros);
    Reserved {
        input_tokens: one.input_tokens.saturating_sub(other.input_tokens),
        output_tokens: one.output_tokens.saturating_sub(other.output_tokens),
        cost: Usd { micros },
    }
}

/// How many tokens of answer what is left is worth.
fn affordable(spend: &Spend, call: Wanted, limits: &Limits) -> u32 {
    let taken = plus(spend.reserved, call.with(0));
    let left = limits.model_tokens.saturating_sub(tokens(spend));
    let left = left.saturating_sub(taken.input_tokens.saturating_add(taken.output_tokens));
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
    fn granted(spend: Spend, call: Wanted, reserved: Reserved) -> Result<u32, Reason> {
        let (before, mut spend) = (spend, Spend { reserved, ..spend });
        let granted = reserve(&mut spend, call, &limits()).map_err(|over| over.reason);
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
            let (mut spend, mut open) = (Spend::default(), vec![]);
            for (input_tokens, wanted, waits) in calls {
                let call = dear(input_tokens, wanted);
                let before = spend;
                if let Ok(granted) = reserve(&mut spend, call, &limits()) {
                    prop_assert!(granted <= wanted);
                    let mut undone = spend;
                    give_back(&mut undone, call.with(granted.into()));
                    prop_assert_eq!(undone, before);
                    let output_tokens = u64::from(granted);
                    open.push((call.with(output_tokens), input_tokens, output_tokens));
                }
                if !waits {
                    for (reserved, input_tokens, output_tokens) in open.drain(..) {
                        let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
                        let (provider, model) = (String::new(), String::new());
                        let cost_usd = Some(PRICE.of(&usage));
                        let (millis, error) = (1, None);
                        let call = ModelCall { provider, model, usage, cost_usd, millis, error };
                        settle(&mut spend, &call, reserved);
                    }
                    prop_assert_eq!(spend.reserved, Reserved::default());
                }
                let mut worst = spend;
                prop_assert_eq!(forfeit(&mut worst).is_none(), open.is_empty());
                prop_assert!(tokens(&worst) <= 10_000 && worst.model_calls <= 3);
                prop_assert!(worst.cost.unwrap_or_default().dollars() <= 1.0);
            }
        }
    }
}

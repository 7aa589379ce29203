//! What must hold for any errors in any order.

use std::time::Duration;

use proptest::prelude::*;

use tokio::time::Instant;

use super::support::{World, no_key};
use crate::chain::health::Standing;
use crate::chain::policy::{LONGEST_HINT, MOST_TRIES, PATIENCE, Reaction, Situation, react};
use crate::{Kind, ModelError};

fn errors() -> impl Strategy<Value = ModelError> {
    let text = || String::from("why");
    let hint = || proptest::option::of((0_u64..5000).prop_map(Duration::from_secs));
    prop_oneof![
        3 => hint().prop_map(move |after| ModelError::RateLimited { after, why: text() }),
        3 => hint().prop_map(move |after| ModelError::Unavailable { after, why: text() }),
        2 => Just(ModelError::Unreachable(text())),
        2 => Just(ModelError::BrokenOff(text())),
        1 => Just(ModelError::Exhausted(text())),
        1 => Just(ModelError::Auth(text())),
        1 => Just(ModelError::NotFound(text())),
        1 => Just(ModelError::Signature(text())),
        2 => Just(ModelError::Empty(text())),
        1 => Just(ModelError::Endless),
        1 => Just(ModelError::Invalid(text())),
        1 => proptest::option::of(0_u64..200_000).prop_map(|window| ModelError::TooLong { window }),
    ]
}

prop_compose! {
    fn situations()(
        tries in 1_u32..12,
        useless in 0_u32..12,
        waited in 0_u64..400,
        others: bool,
        probe: bool,
        stripped: bool,
        sent_tokens in 0_u64..2_000_000,
        window_tokens in 4096_u64..2_000_000,
        jitter in -1.0_f64..2.0,
    ) -> Situation {
        let waited = Duration::from_secs(waited);
        Situation { tries, useless, waited, others, probe, stripped, sent_tokens, window_tokens, jitter }
    }
}

fn is_terminal(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::Exhausted(_)
            | ModelError::Auth(_)
            | ModelError::NotFound(_)
            | ModelError::Invalid(_)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_try_and_a_wait_are_within_bounds(error in errors(), at in situations()) {
        match react(&error, &at) {
            Reaction::Retry { after } => {
                prop_assert!(at.tries < MOST_TRIES);
                prop_assert!(after.is_zero() || at.waited + after <= PATIENCE);
                prop_assert!(!at.others || after <= LONGEST_HINT + Duration::from_secs(1));
                prop_assert!(!is_terminal(&error));
            }
            Reaction::Strip => prop_assert!(!at.stripped),
            Reaction::Next { r#final, .. } => prop_assert!(r#final || at.others),
            Reaction::Shrink { window_tokens } => {
                prop_assert!(window_tokens < at.window_tokens && window_tokens >= 4096);
            }
        }
    }

    #[test]
    fn a_hint_is_never_undercut(seconds in 0_u64..60, at in situations()) {
        let hint = Duration::from_secs(seconds);
        let error = ModelError::RateLimited { after: Some(hint), why: String::new() };
        if let Reaction::Retry { after } = react(&error, &at) {
            prop_assert!(after >= hint);
        }
    }
}

proptest! {
    #[test]
    fn any_errors_in_any_order_come_to_an_end(
        lines in proptest::collection::vec(proptest::collection::vec(errors(), 1..12), 1..5)
    ) {
        let seats = u32::try_from(lines.len()).unwrap();
        let lines: Vec<_> = Kind::ALL.into_iter().zip(lines)
            .map(|(kind, errors)| (kind, errors.into_iter().map(Err).collect()))
            .collect();
        let (took, calls) = paused(async {
            let world = World::new(lines);
            let begun = Instant::now();
            world.ask().await;
            (begun.elapsed(), u32::try_from(world.asked().len()).unwrap())
        });
        prop_assert!(calls <= seats * MOST_TRIES, "{calls} calls of {seats}");
        prop_assert!(took <= PATIENCE + calls * Duration::from_millis(12), "{took:?}");
    }

    #[test]
    fn those_who_rest_are_asked_when_nobody_else_is_left(
        resting in proptest::collection::vec(any::<bool>(), 5)
    ) {
        let asked = paused(async {
            let world = World::new(Kind::ALL.map(|kind| (kind, vec![no_key()])).into());
            let now = Instant::now();
            for (seat, _) in world.models.seats(&world.choice()).iter().zip(&resting).filter(|(_, rests)| **rests) {
                world.models.health(seat, |health| health.rest(now, PATIENCE, Standing::Well));
            }
            world.ask().await;
            world.asked()
        });
        let name = |(kind, _): (Kind, &bool)| &kind.as_str()[..1];
        let all = || Kind::ALL.into_iter().zip(&resting);
        let up: String = all().filter(|(_, rests)| !**rests).map(name).collect();
        let down: String = all().filter(|(_, rests)| **rests).map(name).collect();
        prop_assert_eq!(asked, up + &down);
    }
}

/// Where time passes at once.
fn paused<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(work)
}

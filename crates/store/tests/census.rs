//! What a store holds, in numbers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use jiff::Timestamp;
use store::{Draft, Durability, NewJob, Spend, Spent, Store};
use tempfile::TempDir;
use types::{EventKind, JobId, Mode, Usage, Usd};

use crate::support::spec;

/// Keeps a job that was accepted at this second, changed so.
async fn job(store: &Store, second: i64, change: impl FnOnce(&mut Draft) + Send + 'static) {
    let (id, created) = (JobId::generate(), Timestamp::from_second(second).unwrap());
    let first = EventKind::Scheduled { mode: Mode::Agent };
    store.insert(NewJob { id, created, spec: spec(), first, key: None }).await.unwrap();
    store.update(id, Durability::Grouped, change).await.unwrap();
}

#[tokio::test]
async fn what_was_spent_is_added_up_since_a_time_and_in_all() {
    let home = TempDir::new().unwrap();
    let store = Store::open(&home.path().join("cagent.db")).unwrap();
    let since = Timestamp::from_second(1000).unwrap();
    assert_eq!(store.spent(since).await.unwrap(), [Spent::default(); 2]);
    job(&store, 999, |draft| {
        let cost_usd = Some(Usd::from_dollars(0.5));
        let usage = Usage {
            model_calls: Some(2),
            input_tokens: Some(10),
            output_tokens: Some(3),
            cost_usd,
            ..Usage::default()
        };
        draft.state.usage = Some(usage);
        // What it was before its end does not count again.
        draft.state.session.spend = Spend { model_calls: 1, ..Spend::default() };
    })
    .await;
    job(&store, 1000, |draft| {
        let spend = Spend { model_calls: 1, input_tokens: 5, output_tokens: 1, ..Spend::default() };
        draft.state.session.spend = spend;
    })
    .await;
    job(&store, 1001, |draft| draft.state.usage = Some(Usage::default())).await;
    let recent = Spent { calls: 1, input_tokens: 5, output_tokens: 1, cost: None };
    let cost = Some(Usd::from_dollars(0.5));
    let all = Spent { calls: 3, input_tokens: 15, output_tokens: 4, cost };
    assert_eq!(store.spent(since).await.unwrap(), [recent, all]);
}

use std::pin::pin;
use std::sync::mpsc;

use store::Spend;

use super::*;
use crate::bed::Bed;

impl Bed {
    fn till(&self) -> Till<'_> {
        let asking = self.sink.asking.as_ref().unwrap();
        let (taken_back, open) = (CancellationToken::new(), Mutex::default());
        Till { sink: &self.sink, asking, taken_back, open }
    }

    /// Takes a question back while it waits for the store, where it is already.
    async fn take_back<T>(&self, till: &Till<'_>, asked: impl Future<Output = T>) -> Option<T> {
        let (writes, on) = mpsc::channel();
        let store = self.jobs.inner.store.clone();
        let wait = move |_: &mut Draft| on.recv().unwrap();
        let mut held = pin!(store.update(self.sink.job, Durability::Grouped, wait));
        assert!(held.as_mut().now_or_never().is_none());
        let mut asked = pin!(till.until_taken_back(asked));
        assert!(asked.as_mut().now_or_never().is_none());
        till.taken_back.cancel();
        let release = async { writes.send(()).unwrap() };
        let (answer, (), held) = tokio::join!(asked, release, held);
        held.unwrap();
        answer
    }
}

#[tokio::test]
async fn a_call_costs_nothing_if_the_question_is_taken_back_before_it_is_made() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    let asked = async {
        till.reserve(100, 1000, &facts).await.unwrap();
        panic!("it is made");
    };
    assert_eq!(bed.take_back(&till, asked).await, None);
    till.close(TAKEN_BACK).await;
    let state = bed.state().await;
    assert_eq!((state.session.spend, state.last_seq), (Spend::default(), 1), "and is no event");
}

#[tokio::test]
async fn a_call_counts_if_the_question_is_taken_back_while_it_is_made() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    till.reserve(100, 1000, &facts).await.unwrap();
    till.taken_back.cancel();
    assert_eq!(till.until_taken_back(std::future::pending::<()>()).await, None);
    till.close(TAKEN_BACK).await;
    let state = bed.state().await;
    let cost = Some(types::Usd { micros: 100 });
    let spent = Spend { model_calls: 1, input_tokens: 100, cost, ..Spend::default() };
    assert_eq!((state.session.spend, state.last_seq), (spent, 2), "and is an event");
}

#[tokio::test]
async fn what_is_recorded_is_told_though_the_question_is_taken_back_meanwhile() {
    let bed = Bed::new().await;
    let (till, facts) = (bed.till(), bed.sink.asking.as_ref().unwrap().facts().unwrap());
    till.reserve(100, 1000, &facts).await.unwrap();
    let (provider, model) = (facts.provider, facts.model);
    let (usage, cost_usd, millis, error) = (TokenUsage::default(), None, 1, None);
    let call = ModelCall { provider, model, usage, cost_usd, millis, error };
    let asked = async {
        till.record(call).await;
        std::future::pending::<()>().await;
    };
    assert_eq!(bed.take_back(&till, asked).await, None);
    till.close(TAKEN_BACK).await;
    assert_eq!(bed.state().await.last_seq, 2);
    let live = bed.jobs.inner.live();
    assert_eq!(*live[&bed.sink.job].news.borrow(), 2, "followers hear of it");
}

#[tokio::test]
async fn a_question_that_breaks_us_is_not_asked_again() {
    let answer = unless_it_panics(async { panic!("too much") }).await;
    let ModelAnswer::Failed { reason, error } = answer else { panic!("{answer:?}") };
    assert_eq!(reason, Reason::ModelUnavailable);
    assert!(error.contains("its log"), "{error}");
}

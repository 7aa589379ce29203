//! A node with its name, policy and edges, its types hidden from the flow.

use std::pin::Pin;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Action, Event, FlowError, Node, NodeError, Policy, Sink, To};

pub(super) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What the flow sees of a node.
pub(super) trait Wired<S, T> {
    fn name(&self) -> &'static str;
    /// Every action and where it leads.
    fn edges(&self) -> Vec<(&'static str, To)>;
    fn run<'a>(
        &'a self,
        state: &'a mut S,
        tools: &'a T,
        cancel: &'a CancellationToken,
        sink: &'a dyn Sink,
    ) -> LocalFuture<'a, Result<To, FlowError>>;
}

pub(super) struct Typed<N, E> {
    pub(super) name: &'static str,
    pub(super) node: N,
    pub(super) policy: Policy,
    pub(super) edge: E,
}

impl<S, T, N: Node<S, T>, E: Fn(N::Action) -> To> Wired<S, T> for Typed<N, E> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn edges(&self) -> Vec<(&'static str, To)> {
        N::Action::all().iter().map(|action| (action.name(), (self.edge)(*action))).collect()
    }

    fn run<'a>(
        &'a self,
        state: &'a mut S,
        tools: &'a T,
        cancel: &'a CancellationToken,
        sink: &'a dyn Sink,
    ) -> LocalFuture<'a, Result<To, FlowError>> {
        Box::pin(async move {
            let input = self.node.prepare(state);
            let (output, began) = self.attempts::<S, T>(&input, tools, cancel, sink).await?;
            let action = self.node.decide(state, input, output);
            sink.record(self.finished(began, Ok(action.name()))).await;
            Ok((self.edge)(action))
        })
    }
}

impl<N, E> Typed<N, E> {
    async fn attempts<S, T>(
        &self,
        input: &N::In,
        tools: &T,
        cancel: &CancellationToken,
        sink: &dyn Sink,
    ) -> Result<(N::Out, Instant), FlowError>
    where
        N: Node<S, T>,
    {
        for attempt in 1.. {
            let began = Instant::now();
            sink.record(Event::Started { node: self.name, attempt }).await;
            let error = match self.attempt::<S, T>(input, tools, cancel).await {
                Ok(output) => return Ok((output, began)),
                Err(error) => error,
            };
            sink.record(self.finished(began, Err(error.to_string()))).await;
            let Some(pause) = self.policy.pause_after(attempt) else {
                return Err(FlowError::Node { node: self.name, attempts: attempt, error });
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        Err(FlowError::Cancelled)
    }

    async fn attempt<S, T>(
        &self,
        input: &N::In,
        tools: &T,
        cancel: &CancellationToken,
    ) -> Result<N::Out, NodeError>
    where
        N: Node<S, T>,
    {
        let work = self.node.execute(input, tools, cancel);
        match self.policy.timeout {
            None => work.await,
            Some(limit) => timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(format!("took longer than {limit:?}").into())),
        }
    }

    fn finished(&self, began: Instant, result: Result<&'static str, String>) -> Event {
        Event::Finished { node: self.name, result, took: began.elapsed() }
    }
}

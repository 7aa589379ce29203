use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Why a try of a node failed. A caller does nothing with it but try again and tell people.
pub type NodeError = Box<dyn std::error::Error + Send + Sync>;

/// One kind of work in a flow over the state `S`, done with the tools `T`: what is not part of the
/// state because it belongs to the running process.
pub trait Node<S, T> {
    /// What `execute` needs of the state.
    type In;
    /// What `execute` found out.
    type Out;
    /// What `decide` can decide.
    type Action: Action;

    /// Takes from the state what the work needs.
    fn prepare(&self, state: &S) -> Self::In;

    /// Does the work. It may be called again after an error or a timeout (which drops the future),
    /// as the node's [`Policy`] says. It should return soon after `cancel`.
    fn execute(
        &self,
        input: &Self::In,
        tools: &T,
        cancel: &CancellationToken,
    ) -> impl Future<Output = Result<Self::Out, NodeError>>;

    /// Writes the result into the state and says where to go.
    fn decide(&self, state: &mut S, input: Self::In, output: Self::Out) -> Self::Action;
}

/// What a node can decide: an enum, made with `actions!`.
pub trait Action: Copy + 'static {
    /// Every action there is.
    fn all() -> &'static [Self];
    /// Its name in events and drawings.
    fn name(self) -> &'static str;
}

/// Declares an enum of actions with their names.
macro_rules! actions {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$vdoc])* $variant),+ }

        impl $crate::flow::Action for $name {
            fn all() -> &'static [Self] {
                &[$(Self::$variant),+]
            }
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}
pub(crate) use actions;

/// Where an edge leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the node of this name.
    Node(&'static str),
    /// Out of the flow.
    End,
}

/// How often and how long a node may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Tries after the first one.
    pub retries: u32,
    /// Pause before the first retry; it doubles each time, up to 30 seconds.
    pub backoff: Duration,
    /// How long one try may take.
    pub timeout: Option<Duration>,
}

impl Policy {
    /// The longest pause between two tries.
    const MAX_BACKOFF: Duration = Duration::from_secs(30);

    /// One try, as long as it takes.
    #[must_use]
    pub fn once() -> Self {
        Self { retries: 0, backoff: Duration::ZERO, timeout: None }
    }

    /// The pause after this try, counted from 1; `None` if it was the last.
    pub(super) fn pause_after(&self, attempt: u32) -> Option<Duration> {
        let factor = 2u32.checked_pow(attempt - 1).unwrap_or(u32::MAX);
        let pause = self.backoff.saturating_mul(factor).min(Self::MAX_BACKOFF);
        (attempt <= self.retries).then_some(pause)
    }
}

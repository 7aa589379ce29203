//! How everybody stands who can be asked, for people.

use std::time::Duration;

use tokio::time::Instant;

use super::{Models, Seat};
use crate::Price;

/// A model that can be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelStanding {
    /// Whose.
    pub provider: &'static str,
    /// Its name there.
    pub model: String,
    /// Its window in tokens, as far as we know.
    pub window_tokens: u64,
    /// Whether it takes pictures.
    pub images: bool,
    /// What it costs, if that is known.
    pub price: Option<Price>,
    /// For how long it is not asked because it failed; none if it is well.
    pub rests: Option<Duration>,
}

impl Models {
    /// Those that are set up, in the order they are asked.
    #[must_use]
    pub fn standing(&self) -> Vec<ModelStanding> {
        let now = Instant::now();
        let standing = |seat: Seat| {
            let rests = self.health(&seat, |health| health.rests(now));
            let window_tokens = self.facts_of(&seat).window_tokens;
            let provider = seat.provider;
            ModelStanding {
                provider: provider.kind.as_str(),
                window_tokens,
                model: provider.model,
                images: provider.images,
                price: provider.price,
                rests,
            }
        };
        self.providers.iter().cloned().map(Seat::new).map(standing).collect()
    }
}

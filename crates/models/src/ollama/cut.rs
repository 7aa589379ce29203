//! Whether the beginning of a question was dropped without a word, as servers do that know no
//! `truncate` and give less room than we asked for.
//!
//! All there is to see is how much they say they have read. Less than the question has at the very
//! least is a cut, or a server (before 0.4) that does not count what it had in its cache. A cache holds
//! what came before the newest turns, so two counts are no cache's:
//!
//! ```text
//!  tokens read:   0 ........ least of what is new ........ most of what is new ........ least of all
//!                   a cut                      either of the two               a cut
//! ```

use types::{ModelRequest, Turn};

use crate::estimate;
use crate::overflow::Overflow;

/// No model has less room; a smaller count is that of a question asked twice, all of it in the cache.
const SMALLEST_WINDOW: u64 = 2048;

/// A question's tokens.
#[derive(Debug)]
pub(super) struct Asked {
    /// By the usual measure.
    usual: u64,
    /// At the very least.
    least: u64,
    /// Those that no cache can have, at least; and that one may not have, at most.
    new: (u64, u64),
    /// What it was sent to have.
    window: u64,
}

impl Asked {
    pub(super) fn new(request: &ModelRequest, window: u64) -> Self {
        let turns = &request.turns;
        let answered = turns.iter().rposition(|turn| matches!(turn, Turn::Model(_)));
        let after = &turns[answered.map_or(0, |at| at + 1)..];
        // Its own answer may be in the cache in other words, thoughts among them.
        let with = &turns[answered.unwrap_or(0)..];
        let new = (estimate::bounds(after).0, estimate::bounds(with).1);
        let (usual, least) = (estimate::question(request), estimate::at_least(request));
        Self { usual, least, new, window }
    }

    /// The overflow that it was, if so much was read. The window is the server's own, as far as one
    /// can tell: windows are powers of two, and what does not fit goes by whole messages.
    pub(super) fn cut(&self, read: u64) -> Option<Overflow> {
        if read >= self.least {
            return None;
        }
        let own = read.next_power_of_two();
        let no_cache = read < self.new.0 || read > self.new.1;
        if no_cache && own >= SMALLEST_WINDOW && own < self.window {
            return Some(Overflow { window: Some(own) });
        }
        // By the usual measure it does not fit. Once agentd has made it fit, it is not suspected for
        // that again.
        (self.usual > self.window).then_some(Overflow { window: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{called, question, said};

    /// How a server is taken that has read so much of a long conversation with something new.
    fn window(new_bytes: usize, read: u64) -> Option<Option<u64>> {
        let mut request = question(&"x".repeat(120_000));
        request.turns.extend([Turn::Model(called(&["1"])), said(&"y".repeat(new_bytes))]);
        Asked::new(&request, 65_536).cut(read).map(|overflow| overflow.window)
    }

    #[test]
    fn a_window_of_its_own_is_found_out() {
        assert_eq!(window(1000, 8192), Some(Some(8192)), "to the token");
        assert_eq!(window(1000, 6000), Some(Some(8192)), "by whole messages");
        assert_eq!(window(100_000, 4096), Some(Some(4096)), "not even what is new was read");
        assert_eq!(window(1000, 1900), Some(Some(2048)));
    }

    #[test]
    fn what_may_be_a_cache_is_not_suspected() {
        assert_eq!(window(1000, 30_000), None, "all of it was read");
        assert_eq!(window(1000, 21_000), None, "its tokens are long");
        assert_eq!(window(4000, 1100), None, "what is new was read");
        assert_eq!(window(30_000, 8192), None, "what is new, or what fits");
        assert_eq!(window(100_000, 1), None, "it was asked that before");
    }

    #[test]
    fn what_is_read_first_is_in_no_cache() {
        let request = question(&"x".repeat(120_000));
        let asked = Asked::new(&request, 65_536);
        let found = |read| asked.cut(read).map(|overflow| overflow.window);
        assert_eq!([found(4096), found(30_000), found(1)], [Some(Some(4096)), None, None]);
    }
}

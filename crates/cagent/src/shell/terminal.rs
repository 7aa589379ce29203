//! Our own terminal: every key goes to a program elsewhere, until this is dropped.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, ensure};
use jobs::shell::{Size, Terminal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What `TERM` says where it says nothing that could be passed on.
const USUAL_KIND: &str = "xterm-256color";

/// Keys are as raw as they come.
#[derive(Debug)]
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    pub(super) fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("ask the terminal how it is set up")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).context("set up the terminal")?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Refuses what can only be done at a terminal.
pub(super) fn must_be_one(instead: &str) -> anyhow::Result<()> {
    let both = io::stdin().is_terminal() && io::stdout().is_terminal();
    ensure!(both, "this needs a terminal, and standard input or output is none; {instead}");
    Ok(())
}

/// One like ours.
pub(super) fn like_ours() -> Terminal {
    let kind = std::env::var("TERM").ok().filter(|kind| !kind.is_empty());
    Terminal { kind: kind.unwrap_or_else(|| USUAL_KIND.into()), size: size() }
}

/// How large ours is.
pub(super) fn size() -> Size {
    let size = tcgetwinsize(io::stdout()).ok();
    size.map_or(Size { rows: 0, cols: 0 }, |size| Size { rows: size.ws_row, cols: size.ws_col })
}

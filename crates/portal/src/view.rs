//! What there is to see of a job, and where.

use crate::origin::Part;

/// What somebody wants to see of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// The desktop, without touching it.
    Watch,
    /// The desktop, with mouse and keyboard.
    Control,
    /// Jupyter Lab.
    Jupyter,
    /// What a program of the job serves on this port of its loopback.
    Preview {
        /// The port.
        port: u16,
    },
}

/// The two listeners. Both answer on every origin, so that one proxy before either will do; they
/// differ in our own page, and in which links name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Of desktops and previews.
    Desktops,
    /// Of Jupyter.
    Jupyter,
}

impl View {
    /// Where it is served.
    pub(crate) fn door(self) -> Door {
        match self {
            Self::Watch | Self::Control | Self::Preview { .. } => Door::Desktops,
            Self::Jupyter => Door::Jupyter,
        }
    }

    /// What of the job it is a view of.
    pub(crate) fn part(self) -> Part {
        match self {
            Self::Watch | Self::Control => Part::Desktop,
            Self::Jupyter => Part::Jupyter,
            Self::Preview { port } => Part::Port(port),
        }
    }

    /// The name of its cookie, which is different for each view of one origin.
    pub(crate) fn cookie(self) -> &'static str {
        match self {
            Self::Watch => "cagent-watch",
            Self::Control => "cagent-control",
            Self::Jupyter => "cagent-jupyter",
            Self::Preview { .. } => "cagent-preview",
        }
    }
}

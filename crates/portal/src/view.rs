//! What there is to see of a job, and where.

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

/// The two listeners.
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

    /// The port in the name of its origin.
    pub(crate) fn port(self) -> Option<u16> {
        match self {
            Self::Watch | Self::Control | Self::Jupyter => None,
            Self::Preview { port } => Some(port),
        }
    }

    /// The name of its cookie: cookies know no ports, so views of one host have different ones.
    pub(crate) fn cookie(self) -> &'static str {
        match self {
            Self::Watch => "cagent-watch",
            Self::Control => "cagent-control",
            Self::Jupyter => "cagent-jupyter",
            Self::Preview { .. } => "cagent-preview",
        }
    }
}

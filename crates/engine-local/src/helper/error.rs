use std::io;

/// Why a sandbox could not be made or guarded.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    /// A system call failed in the helper.
    #[error("{what} {on}: {source}")]
    Call { what: &'static str, on: String, source: io::Error },
    /// A step failed in the child; its own words.
    #[error("inside: {0}")]
    Inside(String),
    /// The child was gone before it became agentd.
    #[error("inside: the process died while the sandbox was set up")]
    Died,
    /// The system call filter could not be built.
    #[error("build the system call filter: {0}")]
    Filter(#[from] seccompiler::Error),
    /// There is nothing to run as PID 1.
    #[error("the plan names no command")]
    NoCommand,
    /// The plan is of another release.
    #[error("the plan has version {0}, this helper knows {known}", known = crate::plan::VERSION)]
    Version(u32),
}

/// Gives a system call's error its context: what was tried, and on what.
pub(super) fn at<E: Into<io::Error>>(
    what: &'static str,
    on: impl Into<String>,
) -> impl FnOnce(E) -> SetupError {
    let on = on.into();
    move |source| SetupError::Call { what, on, source: source.into() }
}

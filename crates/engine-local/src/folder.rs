//! What lies in a sandbox's folder, `<home>/<job>/`, and the only writer of each.

/// The job's files, seen inside as `/workspace`.
pub(crate) const WORKSPACE: &str = "workspace";

/// The gateway's socket goes here; seen inside as `/run/cagent`.
pub(crate) const GATEWAY: &str = "gateway";

/// [`crate::plan::Plan`]; written by `create`.
pub(crate) const PLAN: &str = "plan.json";

/// The helper's socket. It answers as long as the helper lives; the file stays after that.
pub(crate) const SOCKET: &str = "helper.sock";

/// [`engine::Ended`]; written by the helper, last.
pub(crate) const ENDED: &str = "ended.json";

/// The last words of agentd on stdout and stderr; written by the helper.
pub(crate) const AGENT_LOG: &str = "agentd.log";

/// What the helper had to complain of.
pub(crate) const HELPER_LOG: &str = "helper.log";

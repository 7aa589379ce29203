//! The Docker engine on a real daemon, with a script in place of agentd. Needs root, a Docker daemon
//! and, once, `mmdebstrap` to make an image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "docker/away.rs"]
mod away;
#[path = "docker/bed.rs"]
mod bed;
#[path = "docker/daemons.rs"]
mod daemons;
#[path = "docker/errors.rs"]
mod errors;
#[path = "docker/files.rs"]
mod files;
#[path = "docker/leftovers.rs"]
mod leftovers;
#[path = "docker/life.rs"]
mod life;
#[path = "docker/limits.rs"]
mod limits;

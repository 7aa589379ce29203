//! The embedded engine for real, with shell scripts in place of agentd. Needs root, loop devices,
//! `mkfs.ext4`, `/usr/bin/python3` and `/usr/bin/setpriv`; as an ordinary user all but `as_root` runs
//! again, see `as_user`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "local/as_root.rs"]
mod as_root;
#[path = "local/as_user.rs"]
mod as_user;
#[path = "local/bed.rs"]
mod bed;
#[path = "local/disk.rs"]
mod disk;
#[path = "local/image.rs"]
mod image;
#[path = "local/inside.rs"]
mod inside;
#[path = "local/life.rs"]
mod life;
#[path = "local/limits.rs"]
mod limits;
#[path = "local/links.rs"]
mod links;
#[path = "local/neighbours.rs"]
mod neighbours;
#[path = "local/probe.rs"]
mod probe;

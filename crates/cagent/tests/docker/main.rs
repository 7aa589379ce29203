//! Jobs on a real server in containers of a real Docker daemon. Needs root and,
//! once, `mmdebstrap` to make an image.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod away;
mod files;
mod image;
mod jobs;
mod measure;
mod resume;
mod shell;
mod support;

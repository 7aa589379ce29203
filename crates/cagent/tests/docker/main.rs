//! Jobs on a real server in containers of a real Docker daemon. Needs what the tests of crate
//! `engine-docker` need, which make the image.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod jobs;
mod support;

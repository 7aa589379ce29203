//! The packer against real directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod any_tree;
mod files;
mod hostile;
mod pack;
mod support;

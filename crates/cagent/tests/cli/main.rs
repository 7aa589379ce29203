//! The command line, as a user meets it: the real program, real sandboxes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod files;
mod given;
mod keys;
mod refusals;
mod run;
mod server;
mod settings;
mod support;
mod targets;
mod together;

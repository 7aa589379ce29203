//! The command line, as a user meets it: the real program, real sandboxes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod attach;
mod bot;
mod docs;
mod files;
mod full_disk;
mod given;
mod keys;
mod mcp;
mod refusals;
mod resume;
mod run;
mod screen;
mod server;
mod settings;
mod snapshots;
mod support;
mod targets;
mod tmux;
mod together;

//! What people open of a job: with real sandboxes, a real X server and a real browser.
//!
//! They need `Xvnc`, `openbox`, `xterm` and `chromium` on the host.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod desktop;
mod figures;
mod home;
mod hostile;
mod jupyter;
mod people;
mod preview;
mod raw;
mod support;
mod vnc;
mod web;

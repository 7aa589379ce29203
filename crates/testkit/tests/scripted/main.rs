//! The scripted model server, asked by a client that knows nothing of it.

mod checks;
mod client;
mod faults;
mod limits;
mod play;
mod program;
mod protocols;
mod scenarios;

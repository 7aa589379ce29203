//! Images of every kind and with everything in them that should not be there. As root they keep their
//! owners, so as an ordinary user all of it is run again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "images/as_user.rs"]
mod as_user;
#[path = "images/bed.rs"]
mod bed;
#[path = "images/damaged.rs"]
mod damaged;
#[path = "images/forms.rs"]
mod forms;
#[path = "images/hostile.rs"]
mod hostile;
#[path = "images/layers.rs"]
mod layers;

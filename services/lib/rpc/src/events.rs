//! containerd.services.events.v1: what happened, told to whoever listens now.

mod announcer;
mod bus;
mod client;
mod server;

pub use announcer::Announcer;
pub(crate) use announcer::Fact;
pub use bus::{Bus, Event};
pub use client::{Client, Listening};
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.events.v1.Events";

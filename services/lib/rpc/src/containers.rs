//! containerd.services.containers.v1: records of what runs or ran.

mod client;
pub(crate) mod convert;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.containers.v1.Containers";

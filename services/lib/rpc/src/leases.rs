//! containerd.services.leases.v1: what keeps new things alive.

mod client;
pub(crate) mod convert;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.leases.v1.Leases";

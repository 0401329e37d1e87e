//! containerd.services.introspection.v1: what a process is and what it serves.

mod plugin;
mod server;

pub use plugin::Plugin;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.introspection.v1.Introspection";

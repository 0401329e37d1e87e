//! The wire between processes: for each trait of core one client (the trait over a channel) and one
//! server (the wire over any implementation of the trait), each thin.
//!
//! Around them stands what a process needs to be reached: addresses, channels, listeners, the life of
//! a server from its first request to its last. Nothing here knows what a service does.

pub mod address;
pub mod announce;
pub mod channel;
pub mod collect;
pub mod config;
mod connection;
pub mod containerd;
pub mod containers;
pub mod content;
pub mod convert;
mod deadline;
pub mod diff;
pub mod events;
pub mod fetcher;
mod fsck;
mod gathered;
pub mod guests;
pub mod images;
pub mod introspection;
pub mod leases;
pub mod listen;
pub mod namespaces;
pub mod process;
mod progress;
pub mod proxied;
mod remote;
pub mod resolver;
pub mod scope;
pub mod serve;
pub mod served;
mod shared_file;
pub mod shutdown;
pub mod snapshots;
pub mod status;
mod stream;
pub mod telemetry;
mod turns;
mod unix;
pub mod unpack;
pub mod version;

pub use address::Address;
pub use connection::Services;
pub use listen::Listener;
pub use serve::{Host, serve};
pub use served::Served;
pub use shutdown::Shutdown;

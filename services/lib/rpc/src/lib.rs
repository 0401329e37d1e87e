//! The wire between processes: for each trait of core one client (the trait over a channel) and one
//! server (the wire over any implementation of the trait), each thin.
//!
//! Around them stands what a process needs to be reached: addresses, channels, listeners, the life of
//! a server from its first request to its last. Nothing here knows what a service does.

pub mod address;
pub mod channel;
pub mod convert;
pub mod listen;
pub mod scope;
pub mod serve;
pub mod shutdown;
pub mod status;
pub mod telemetry;

pub use address::Address;
pub use listen::Listener;
pub use serve::serve;
pub use shutdown::Shutdown;

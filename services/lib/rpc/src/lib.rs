//! The wire between processes: for each trait of core one client (the trait over a channel) and one
//! server (the wire over any implementation of the trait), each thin.

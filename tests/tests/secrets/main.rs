//! What a registry's login leaves behind: nothing. And what another user of the machine can read: nothing.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod leaks;
mod person;
mod reach;
mod watch;

//! Containers, from the outside: what their programs see and may do, how they live and end, what a hostile image
//! cannot do, and what a kill -9 leaves. In every topology; with the machine's runc, as root.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod attached;
mod commits;
mod hostile;
mod kills;
mod life;
mod programs;
mod terminals;

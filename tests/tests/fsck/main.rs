//! Damaged stores: every damage is named, nothing else is, everything is repaired, and what is there then is
//! what was there before.
//!
//! `VARVE_FSCK_RUNS` sets how many stores of each kind are damaged (default 2).

#![allow(clippy::unwrap_used, reason = "of tests")]

mod busy;
mod damage;
mod kinds;
mod records;
mod store;
mod topologies;

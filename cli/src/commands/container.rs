//! `varve container`, and its commands that stand alone, too: `run`, `ps`, `stop` …
//!
//! Each opens the store for as long as it needs it and no longer: a program that runs for a week keeps nobody from
//! owning the root.

mod env;
pub mod monitor;
mod options;
pub mod run;

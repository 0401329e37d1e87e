//! What the scenarios share: images made on the spot, registries to pull them from, the command
//! under test, and trees as lists that can be compared.

pub mod beside;
pub mod bundle;
pub mod busybox;
pub mod cluster;
pub mod command;
pub mod compare;
pub mod container;
pub mod ctr;
pub mod cutter;
pub mod demo;
pub mod engines;
pub mod fake;
pub mod image;
pub mod layer;
pub mod many;
pub mod odd;
pub mod peers;
pub mod power;
pub mod registry;
pub mod sheet;
pub mod soak;
pub mod terminal;
pub mod tour;
pub mod tree;

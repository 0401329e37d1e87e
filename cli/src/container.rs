//! Containers: programs that run in an image's tree, through the machine's OCI runtime.
//!
//! To *make* one ([`create`]) is the store's work alone: a record with its [`settings`], and a writable snapshot on
//! the image's. To *start* one ([`launch`]) is a [`monitor`]'s, a process of its own: it mounts the snapshot, tells
//! the runtime what to do ([`spec`]), keeps what the program prints and how it ends ([`state`]), and clears up.
//! Everything that a start makes ([`place`]) can be made again, so that a kill -9 of anybody leaves nothing that the
//! next start or removal does not take away.

pub mod attach;
pub mod below;
pub mod commit;
pub mod console;
pub mod create;
pub mod dialog;
pub mod export;
pub mod find;
pub mod image_config;
pub mod init;
pub mod job;
pub mod launch;
pub mod monitor;
pub mod name;
pub mod pause;
pub mod place;
pub mod remove;
pub mod runtime;
pub mod settings;
pub mod signal;
pub mod spec;
pub mod state;
pub mod stop;
pub mod terminal;
pub mod users;
pub mod volume;
pub mod wire;

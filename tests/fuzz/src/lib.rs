//! What reads bytes of strangers, as functions of bytes: a panic of one is a finding, and so is one
//! that does not end.
//!
//! They are called by libFuzzer (`../libfuzzer`, `just fuzz`) with whatever finds new ways through
//! the code, and by the tests with every file of `../corpus`, a directory for each target. A target
//! asserts what must hold of any bytes: what is read and written is read as the same, limits are
//! kept, nothing beside the root is touched. docs/fuzz.md tells what was found.

#![allow(clippy::unwrap_used, reason = "a panic is how a target tells of what it found")]

pub mod archives;
pub mod beside;
pub mod configs;
pub mod documents;
pub mod extract;
pub mod filters;
pub mod grpc;
pub mod headers;
pub mod inflate;
pub mod platforms;
pub mod records;
pub mod references;
mod scratch;
mod shared;
pub mod tar;
pub mod templates;

/// A function of hostile bytes.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: [(&str, Target); 13] = [
    ("archives", archives::archives),
    ("configs", configs::configs),
    ("documents", documents::documents),
    ("extract", extract::extract),
    ("filters", filters::filters),
    ("grpc", grpc::grpc),
    ("headers", headers::headers),
    ("inflate", inflate::inflate),
    ("platforms", platforms::platforms),
    ("records", records::records),
    ("references", references::references),
    ("tar", tar::tar),
    ("templates", templates::templates),
];

/// The bytes as lines of text; what is no text is passed over.
fn lines(data: &[u8]) -> impl Iterator<Item = &str> {
    data.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

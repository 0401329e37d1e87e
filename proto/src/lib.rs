//! The wire: containerd's packages under [`containerd`], Varve's own under [`varve`], a module for
//! each part of a package's name. Generated from the text beside this crate, which is the
//! documentation; nothing here has logic. What has a secret in it is printed without (`secrets`).

#![allow(clippy::all, missing_docs, reason = "generated")]

mod secrets;

include!(concat!(env!("OUT_DIR"), "/packages.rs"));

/// Every file's descriptor, encoded as a `google.protobuf.FileDescriptorSet`: for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

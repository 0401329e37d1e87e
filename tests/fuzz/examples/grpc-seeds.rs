//! Writes the hand-made inputs of the target `grpc` into its corpus: one call of each method, and
//! some that follow one another. To be run again where the wire has changed:
//! `cargo run --package varve-fuzz --example grpc-seeds`.

#![allow(clippy::unwrap_used, reason = "a panic says what is wrong with a seed")]

use std::fs;
use std::path::Path;

use varve_fuzz::grpc::{Call, input, methods, seed::call};

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/grpc");
    fs::create_dir_all(&corpus).unwrap();
    for method in methods() {
        let name = method.path[1..].replace(['.', '/'], "-");
        fs::write(corpus.join(name), input(&[call(&method.path, &[0], &[])])).unwrap();
    }
    for (name, calls) in flows() {
        fs::write(corpus.join(name), input(&calls)).unwrap();
    }
}

fn flows() -> Vec<(&'static str, Vec<Call>)> {
    let write = || call("content.v1.Content/Write", &[1, 2], &[("offset", "0")]);
    let plain = |end: &str| call(end, &[0], &[]);
    vec![
        (
            "flow-blob",
            vec![
                write(),
                plain("Content/Info"),
                plain("content.v1.Content/Update"),
                plain("content.v1.Content/Read"),
                plain("content.v1.Content/List"),
                plain("content.v1.Content/Delete"),
            ],
        ),
        (
            "flow-image",
            vec![
                write(),
                plain("Images/Create"),
                call("Images/List", &[0], &[("filters", "name==name")]),
                plain("Images/Update"),
                plain("/Record"),
                plain("/References"),
                plain("/Collect"),
                plain("ContentStore/Remove"),
            ],
        ),
        (
            "flow-lease",
            vec![
                plain("Leases/Create"),
                call("Leases/AddResource", &[0], &[("type", "snapshots/native")]),
                plain("Leases/ListResources"),
                plain("/Renew"),
                plain("/Collect"),
                plain("Leases/Delete"),
            ],
        ),
        (
            "flow-snapshot",
            vec![
                call("Snapshots/Prepare", &[0], &[("key", "a")]),
                call("Snapshots/Mounts", &[0], &[("key", "a")]),
                call("Snapshots/Commit", &[0], &[("key", "a"), ("name", "b"), ("parent", "")]),
                call("Snapshots/View", &[0], &[("key", "c"), ("parent", "b")]),
                call("Snapshots/Usage", &[0], &[("key", "b")]),
                call("/Changes", &[0], &[("key", "c")]),
                call("Snapshots/Remove", &[0], &[("key", "c")]),
                plain("Snapshots/List"),
            ],
        ),
        ("flow-unpack", vec![write(), plain("/Unpack"), plain("/Compare"), plain("/Examine")]),
        (
            "flow-follow",
            vec![
                call("content.v1.Content/Write", &[1], &[("offset", "0")]),
                plain("Content/Status"),
                plain("/Follow"),
                plain("Content/Abort"),
            ],
        ),
        ("flow-attend", vec![plain("/Attend"), plain("/Collect"), plain("/Recount")]),
        ("flow-fsck", vec![write(), call("/Fsck", &[0], &[("bytes_per_second", "0")])]),
        (
            "flow-container",
            vec![
                plain("Containers/Create"),
                plain("Containers/Get"),
                plain("Containers/Update"),
                plain("/ListStream"),
                plain("Containers/Delete"),
            ],
        ),
        (
            "flow-namespace",
            vec![
                call("Namespaces/Create", &[0], &[("name", "n")]),
                call("Namespaces/Update", &[0], &[("name", "n")]),
                call("Namespaces/Delete", &[0], &[("name", "n")]),
            ],
        ),
    ]
}

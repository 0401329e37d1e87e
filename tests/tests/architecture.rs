//! Who may import whom (README, *The map*), held by `cargo metadata`.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Package to the packages of ours that it may use outside its tests.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("varve-core", &[]),
    ("varve-proto", &[]),
    ("varve-registry", &["varve-core"]),
    ("varve-meta", &["varve-core"]),
    ("varve-rpc", &["varve-core", "varve-proto"]),
    // rpc in a service: its main.rs alone, as the test below holds.
    ("varve-resolver", &["varve-core", "varve-registry", "varve-rpc"]),
    ("varve-fetcher", &["varve-core", "varve-registry", "varve-rpc"]),
    ("varve-content-store", &["varve-core", "varve-meta", "varve-rpc"]),
    ("varve-snapshotter", &["varve-core", "varve-meta", "varve-rpc"]),
    (
        "varve",
        &[
            "varve-core",
            // Logins belong to the client, in Docker's config.json; and what is pushed is read from the
            // store by whoever has the login.
            "varve-registry",
            "varve-rpc",
            "varve-resolver",
            "varve-fetcher",
            "varve-content-store",
            "varve-snapshotter",
        ],
    ),
    // Roots with many images are filled over the wire.
    ("varve-tests", &["varve-core", "varve-registry", "varve-rpc"]),
    // Goes to whatever reads bytes of strangers, and is imported by nobody.
    (
        "varve-fuzz",
        &[
            // Its readers of saved images.
            "varve",
            "varve-core",
            "varve-proto",
            "varve-registry",
            "varve-meta",
            "varve-rpc",
            "varve-content-store",
            "varve-snapshotter",
        ],
    ),
];

/// Libraries from elsewhere that only some of ours may use directly.
const ONLY_UNDER: &[(&str, &[&str])] = &[
    ("sled", &["varve-meta"]),
    ("tonic", &["varve-proto", "varve-rpc", "varve-fuzz"]),
    ("prost", &["varve-proto", "varve-rpc", "varve-fuzz"]),
    ("reqwest", &["varve-registry"]),
    ("tar", &["varve-snapshotter", "varve-tests"]),
    ("clap", &["varve"]),
];

/// What core, being vocabulary, never knows of: a runtime only behind `testsuite`.
const NEVER_IN_CORE: &[&str] = &["tonic", "sled", "reqwest", "hyper", "rustix"];

#[test]
fn no_package_imports_another_that_it_may_not() {
    for (package, imports) in imports_of_ours() {
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == package);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{package} has no place in the house"));
        for import in imports.iter().filter(|import| import.starts_with("varve-")) {
            assert!(allowed.contains(&import.as_str()), "{package} may not import {import}");
        }
    }
}

#[test]
fn a_library_with_a_room_of_its_own_stays_in_it() {
    for (package, imports) in imports_of_ours() {
        for (library, rooms) in ONLY_UNDER {
            let inside = rooms.contains(&package.as_str());
            assert!(inside || !imports.contains(*library), "{package} may not use {library}");
        }
    }
}

#[test]
fn core_knows_no_wire_no_database_and_no_system_call() {
    let core = &imports_of_ours()["varve-core"];
    for library in NEVER_IN_CORE {
        assert!(!core.contains(*library), "varve-core may not use {library}");
    }
}

/// A service is an implementation; a process is a listener around it.
#[test]
fn a_service_speaks_to_the_wire_from_its_main_alone() {
    for service in ["resolver", "fetcher", "content-store", "snapshotter"] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(service);
        let mut seen = 0;
        for file in sources_below(&sources.join("src")) {
            seen += 1;
            let wired = fs::read_to_string(&file).unwrap().contains("varve_rpc");
            assert!(!wired || file.ends_with("src/main.rs"), "{}", file.display());
        }
        assert!(seen > 2, "{service} has {seen} files");
    }
}

fn sources_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources_below(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// No second TLS, no C library from the system, nothing that needs cmake or a generator.
#[test]
fn nothing_in_the_tree_needs_more_than_a_c_compiler() {
    let metadata = metadata(&[]);
    let all: BTreeSet<_> = packages(&metadata).map(|package| text(&package["name"])).collect();
    for banned in
        ["openssl-sys", "aws-lc-sys", "native-tls", "cmake", "bindgen", "protoc-bin-vendored"]
    {
        assert!(!all.contains(banned), "{banned} has come in");
    }
}

/// Package of ours to its direct imports, those of tests and build scripts left out.
fn imports_of_ours() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    packages(&metadata)
        .map(|package| {
            let imports = array(&package["dependencies"])
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), imports)
        })
        .collect()
}

fn metadata(extra: &[&str]) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(extra)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    array(&metadata["packages"])
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("cargo prints a list").iter()
}

fn text(value: &Value) -> String {
    value.as_str().expect("cargo prints a name").to_owned()
}

//! A gRPC client that knows nothing but an address (tests/grpc/call.py) calls every service of ours.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use varve_core::testsuite::skipped;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::demo;
use varve_tests::fake::Fake;

/// Where python has grpcio and grpcio-reflection; tests/verify.sh makes it.
fn python() -> Option<String> {
    let python = std::env::var("VARVE_GRPC_PYTHON").ok();
    let works = |python: &String| {
        let mut command = Command::new(python);
        command.args(["-c", "import grpc_reflection"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python = python.filter(works);
    if python.is_none() {
        skipped("grpc: VARVE_GRPC_PYTHON names no python with grpcio-reflection");
    }
    python
}

struct Client {
    python: String,
    address: String,
}

impl Client {
    fn run(&self, args: &[&str]) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("grpc/call.py");
        let mut command = Command::new(&self.python);
        command.arg(script).args(args).arg("--address").arg(&self.address);
        let output = command.output().unwrap();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The answers of one call.
    fn call(&self, method: &str, request: &Value) -> Vec<Value> {
        let printed = self.run(&["-d", &request.to_string(), method]).unwrap();
        let answers = serde_json::Deserializer::from_str(&printed).into_iter();
        answers.collect::<Result<_, _>>().unwrap()
    }
}

#[test]
fn every_service_answers_a_client_that_knows_only_reflection() {
    let Some(python) = python() else { return };
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
    let address = format!("unix://{}/varve.sock", varve.root().display());
    let client = Client { python, address };
    let listed = client.run(&["list"]).unwrap();
    for service in SERVICES {
        assert!(listed.lines().any(|line| line == service), "{service} is not in\n{listed}");
    }
    let described = client.run(&["describe", "varve.fetcher.v1.Fetcher"]).unwrap();
    assert!(described.contains("rpc Fetch ( varve.fetcher.v1.FetchRequest )"), "{described}");

    let remote = serde_json::json!({"reference": format!("{}/demo/hello:1", registry.address())});
    let tags =
        client.call("varve.resolver.v1.Resolver/Tags", &serde_json::json!({"remote": remote}));
    assert_eq!(tags[0]["tags"][0], "1");
    let resolved =
        client.call("varve.resolver.v1.Resolver/Resolve", &serde_json::json!({"remote": remote}));
    let target = &resolved[0]["target"];
    let fetched = client.call(
        "varve.fetcher.v1.Fetcher/Fetch",
        &serde_json::json!({"remote": remote, "blob": target}),
    );
    assert!(fetched.last().unwrap()["done"].is_object(), "{fetched:?}");
    let digest = &target["digest"];
    let info = client.call(
        "containerd.services.content.v1.Content/Info",
        &serde_json::json!({"digest": digest}),
    );
    assert_eq!(info[0]["info"]["size"], target["size"]);
    let counted = client
        .call("varve.content.v1.ContentStore/References", &serde_json::json!({"digest": digest}));
    assert_eq!(counted.len(), 1);
    let drivers = client.call("varve.snapshots.v1.Unpacker/Drivers", &serde_json::json!({}));
    assert!(drivers[0]["default"].is_string(), "{drivers:?}");
    let looked =
        client.call("varve.content.v1.ContentStore/Fsck", &serde_json::json!({"repair": true}));
    assert_eq!(looked.last().unwrap()["done"]["blobs"], "1", "{looked:?}");
    let native = serde_json::json!({"snapshotter": "native"});
    assert_eq!(client.call("varve.snapshots.v1.Unpacker/Examine", &native).len(), 1);
    let absent = serde_json::json!({"snapshotter": "native", "diffId": digest, "blob": target});
    let absent = client.run(&["-d", &absent.to_string(), COMPARE]).unwrap_err();
    assert!(absent.contains("INVALID_ARGUMENT"), "an index is no layer: {absent}");
    let health = client.call("grpc.health.v1.Health/Check", &serde_json::json!({}));
    assert_eq!(health[0]["status"], "SERVING");
    let refused = client.run(&["-d", "{\"digest\": \"sha256:../x\"}", CONTENT_INFO]).unwrap_err();
    assert!(refused.contains("INVALID_ARGUMENT"), "{refused}");
}

const COMPARE: &str = "varve.snapshots.v1.Unpacker/Compare";
const CONTENT_INFO: &str = "containerd.services.content.v1.Content/Info";

const SERVICES: [&str; 15] = [
    "containerd.services.containers.v1.Containers",
    "containerd.services.content.v1.Content",
    "containerd.services.diff.v1.Diff",
    "containerd.services.events.v1.Events",
    "containerd.services.images.v1.Images",
    "containerd.services.introspection.v1.Introspection",
    "containerd.services.leases.v1.Leases",
    "containerd.services.namespaces.v1.Namespaces",
    "containerd.services.snapshots.v1.Snapshots",
    "containerd.services.version.v1.Version",
    "grpc.health.v1.Health",
    "varve.content.v1.ContentStore",
    "varve.fetcher.v1.Fetcher",
    "varve.resolver.v1.Resolver",
    "varve.snapshots.v1.Unpacker",
];

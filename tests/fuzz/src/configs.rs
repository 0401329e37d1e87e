//! Files that people write: hosts.toml, Docker's config.json, and Varve's own configuration.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use varve_registry::testsuite::parsers;
use varve_registry::{Config as Registry, DockerConfig, docker_config::named};

/// What deploy/config/varve.toml has, but for what the command keeps to itself.
#[derive(Deserialize)]
#[serde(default)]
#[allow(dead_code, reason = "it is read, and that is all")]
#[derive(Default)]
struct Own {
    store: varve_content_store::Config,
    snapshotter: varve_snapshotter::Config,
    images: varve_core::oci::Bounds,
    registry: Registry,
}

/// The bytes as each of the files.
pub fn configs(data: &[u8]) {
    docker(data);
    parsers::helper(data, "docker.io");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = read::<Own>(text);
    // Files that it names are read: none but such as are not there.
    if !text.contains("/dev") && !text.contains("/proc") {
        let _ = parsers::hosts(Path::new("/nonexistent"), text);
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    toml::from_str(text).ok()
}

/// A login that is taken out is not found again, and what is left is what it was.
fn docker(data: &[u8]) {
    for host in ["docker.io", "localhost:5000"] {
        let config = serde_json::from_slice::<DockerConfig>(data).ok();
        let _ = config.map(|config| config.find(host));
        let Some(text) = parsers::without_login(data, host) else { continue };
        let again = parsers::without_login(text.as_bytes(), host);
        assert_eq!(again.as_deref(), Some(text.as_str()), "it is written as it was");
        // A number that no machine has stays as it was written.
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
        let auths = value.get("auths").and_then(serde_json::Value::as_object);
        let left = auths.into_iter().flatten().any(|(key, _)| named(key) == host);
        assert!(!left, "{text}");
    }
}

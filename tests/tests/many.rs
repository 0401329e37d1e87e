//! A list of many images: right, and as fast as a person expects of a list.
//!
//! `VARVE_MANY=10000 cargo test --release -p varve-tests --test many -- --nocapture` measures it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "of tests, one of which measures")]

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::labels::GC_REF_CONTENT;
use varve_core::{Descriptor, Digest, Kind, Labels, MediaType, Scope};
use varve_rpc::{content, images};
use varve_tests::cluster::{Cluster, Topology};
use varve_tests::command::{Varve, binary};

/// Images, where nobody says how many.
const FEW: usize = 200;
/// Blobs that are written at the same time.
const WRITERS: usize = 64;

struct Store {
    content: content::Client,
    images: images::Client,
}

impl Store {
    async fn blob(&self, kind: MediaType, bytes: Vec<u8>) -> Descriptor {
        let (digest, scope) = (Digest::of(&bytes), Scope::default());
        let descriptor = Descriptor::new(kind, digest, bytes.len() as u64);
        let open = OpenWriter { ingest: digest.to_string(), ..OpenWriter::default() };
        let mut writer = self.content.writer(&scope, open).await.unwrap();
        writer.write(bytes.into()).await.unwrap();
        match writer.commit(Commit::default()).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), Kind::AlreadyExists, "{error}"),
        }
        descriptor
    }

    /// An image of one layer, and nothing of it but its documents and names.
    async fn image(&self, n: usize) {
        self.one(n, MediaType::OciConfig).await;
    }

    async fn one(&self, n: usize, kind: MediaType) {
        let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": Digest::of(&n.to_le_bytes()), "size": 1000 + n});
        let config = json!({"architecture": "amd64", "os": "linux",
            "created": format!("2024-01-02T03:{:02}:{:02}Z", n / 60 % 60, n % 60),
            "config": {"Labels": {"number": n.to_string()}, "Env": ["PATH=/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&(n + 1).to_le_bytes())]},
            "history": [{"created_by": "COPY . /"}]});
        let config = self.blob(kind, serde_json::to_vec(&config).unwrap()).await;
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let target = self.blob(MediaType::OciManifest, bytes).await;
        let label = (format!("{GC_REF_CONTENT}.config"), config.digest.to_string());
        let content_labels = vec![(target.digest, Labels::from([label]))];
        let name = format!("registry.example/many/{}:{n}", n % 97);
        self.images
            .record(&Scope::default(), Record { name, target, content_labels })
            .await
            .unwrap();
    }
}

/// A root with that many images, where the topology of the environment has it.
fn filled(many: usize) -> Varve {
    let (topology, binary) = (Topology::from_env().unwrap(), binary().unwrap());
    let mut varve = Varve::over(topology, binary.clone()).unwrap();
    // Embedded, nobody serves a root between commands.
    let embedded = topology == Topology::Embedded;
    let daemon = embedded.then(|| Cluster::start(Topology::Daemon, &binary, varve.root()).unwrap());
    let address = match topology {
        Topology::Split => varve.cluster().socket("content-store"),
        _ => format!("unix://{}/varve.sock", varve.root().display()),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let channel = varve_rpc::channel::channel(&address.parse().unwrap());
        let (content, images) =
            (content::Client::new(channel.clone()), images::Client::new(channel));
        let store = Arc::new(Store { content, images });
        let mut writing = JoinSet::new();
        for n in 0..many {
            if writing.len() == WRITERS {
                writing.join_next().await.unwrap().unwrap();
            }
            let store = store.clone();
            writing.spawn(async move { store.image(n).await });
        }
        while let Some(done) = writing.join_next().await {
            done.unwrap();
        }
        // What is no image may have a name, too.
        store.one(many, "application/vnd.cncf.helm.config.v1+json".into()).await;
    });
    drop(runtime);
    drop(daemon);
    varve
}

#[test]
fn a_list_of_many_images_has_each_with_its_id_and_the_newest_first() {
    let named = std::env::var("VARVE_MANY").ok();
    let many = named.as_ref().map_or(FEW, |many| many.parse().unwrap());
    let varve = filled(many);
    let rows = varve.json(&["images", "ls"]).unwrap();
    let rows = rows.as_array().unwrap();
    let (images, odd): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["id"].is_string());
    assert_eq!((images.len(), odd.len()), (many, 1));
    assert!(images.iter().all(|row| row["labels"]["number"].is_string()));
    let created: Vec<&str> = images.iter().map(|row| row["created"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b));
    let again = varve.json(&["images", "ls"]).unwrap();
    assert_eq!(again.as_array().unwrap(), rows, "what was kept of the first list is the same");
    let error = varve.fail(&["inspect", "a"]).unwrap();
    assert!(error.contains("several images begin so: a"), "{error}");
    assert!(error.contains(" (registry.example/many/"), "{error}");
    if named.is_none() {
        return;
    }
    for words in [&["images"][..], &["images", "-q"], &["images", "--filter", "label=number=7"]] {
        let times: Vec<f64> = (0..7)
            .map(|_| {
                let begun = Instant::now();
                varve.run(words).unwrap();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        println!("{many} images, {words:?}, ms: {times:.0?}");
    }
    if std::env::var_os("VARVE_MANY_KEEP").is_some() {
        println!("kept: {}", varve.root().display());
        std::mem::forget(varve);
    }
}

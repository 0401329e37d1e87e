//! A root with many images, whose layers nobody needs: for lists, and for what is done with one of many.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::labels::GC_REF_CONTENT;
use varve_core::{Descriptor, Digest, Kind, Labels, MediaType, Scope};
use varve_rpc::{content, images};

use crate::cluster::{Cluster, Topology};
use crate::command::{Varve, binary};

/// Blobs that are written at the same time.
const WRITERS: usize = 64;

/// The name of the image `n`.
pub fn name(n: usize) -> String {
    format!("registry.example/many/{}:{n}", n % 97)
}

/// A root with that many images, and one name that is no image's, in a topology.
pub fn filled(topology: Topology, many: usize) -> Result<Varve> {
    let binary = binary()?;
    let mut varve = Varve::over(topology, binary.clone())?;
    // Embedded, nobody serves a root between commands.
    let embedded = topology == Topology::Embedded;
    let daemon = match embedded {
        true => Some(Cluster::start(Topology::Daemon, &binary, varve.root())?),
        false => None,
    };
    let address = match topology {
        Topology::Split => varve.cluster().socket("content-store"),
        _ => format!("unix://{}/varve.sock", varve.root().display()),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(&address, many))?;
    drop(runtime);
    drop(daemon);
    Ok(varve)
}

async fn fill(address: &str, many: usize) -> Result<()> {
    let channel = varve_rpc::channel::channel(&address.parse()?);
    let (content, images) = (content::Client::new(channel.clone()), images::Client::new(channel));
    let store = Arc::new(Store { content, images });
    let mut writing = JoinSet::new();
    for n in 0..many {
        if writing.len() == WRITERS
            && let Some(done) = writing.join_next().await
        {
            done??;
        }
        let store = store.clone();
        writing.spawn(async move { store.image(n, MediaType::OciConfig).await });
    }
    while let Some(done) = writing.join_next().await {
        done??;
    }
    // What is no image may have a name, too.
    store.image(many, "application/vnd.cncf.helm.config.v1+json".into()).await
}

struct Store {
    content: content::Client,
    images: images::Client,
}

impl Store {
    async fn blob(&self, kind: MediaType, bytes: Vec<u8>) -> Result<Descriptor> {
        let (digest, scope) = (Digest::of(&bytes), Scope::default());
        let descriptor = Descriptor::new(kind, digest, bytes.len() as u64);
        let open = OpenWriter { ingest: digest.to_string(), ..OpenWriter::default() };
        let mut writer = self.content.writer(&scope, open).await?;
        writer.write(bytes.into()).await?;
        match writer.commit(Commit::default()).await {
            Err(error) if error.kind() != Kind::AlreadyExists => Err(error.into()),
            _ => Ok(descriptor),
        }
    }

    /// An image of one layer, and nothing of it but its documents and name.
    async fn image(&self, n: usize, kind: MediaType) -> Result<()> {
        let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": Digest::of(&n.to_le_bytes()), "size": 1000 + n});
        let config = json!({"architecture": "amd64", "os": "linux",
            "created": format!("2024-01-02T03:{:02}:{:02}Z", n / 60 % 60, n % 60),
            "config": {"Labels": {"number": n.to_string()}, "Env": ["PATH=/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&(n + 1).to_le_bytes())]},
            "history": [{"created_by": "COPY . /"}]});
        let config = self.blob(kind, serde_json::to_vec(&config)?).await?;
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        let target = self.blob(MediaType::OciManifest, serde_json::to_vec(&manifest)?).await?;
        let label = (format!("{GC_REF_CONTENT}.config"), config.digest.to_string());
        let content_labels = vec![(target.digest, Labels::from([label]))];
        let record = Record { name: name(n), target, content_labels };
        self.images.record(&Scope::default(), record).await?;
        Ok(())
    }
}

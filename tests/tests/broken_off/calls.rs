//! The calls, each as a client makes it once and again: what a client that came to nothing left there is taken up.

use bytes::Bytes;
use tonic::transport::Channel;
use varve_core::collect::Collector;
use varve_core::containers::{Container, Containers, Runtime};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::digest::DiffId;
use varve_core::images::{Image, Images};
use varve_core::leases::{Leases, Resource};
use varve_core::namespaces::Namespaces;
use varve_core::remotes::{Fetcher, Progress as Fetching, Remote};
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::snapshotters::Snapshotters;
use varve_core::unpack::{Layer, Progress};
use varve_core::{Descriptor, Digest, Labels, Mask, Result, ResultExt, Scope};
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_proto::containerd::services::content::v1::{
    ReadContentRequest, WriteAction, WriteContentRequest as Message,
};
use varve_rpc::status::from_status;
use varve_rpc::{
    collect, containers, content, events, fetcher, images, leases, namespaces, scope, snapshots,
    unpack,
};

/// What all of them work with.
pub struct Things {
    /// Of a layer that is in the store, and held there.
    pub layer: Layer,
    /// Of one that is at the registry only.
    pub remote: (Remote, Descriptor),
    pub bytes: Bytes,
}

/// A call, or a few that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Write,
    WriteBeside,
    Read,
    Snapshot,
    Image,
    Lease,
    Container,
    Namespace,
    Unpack,
    Fetch,
    Collect,
    // These answer when something comes, which never does here.
    Follow,
    AwaitLayer,
    Subscribe,
}

pub const ALL: [Call; 14] = [
    Call::Write,
    Call::WriteBeside,
    Call::Read,
    Call::Snapshot,
    Call::Image,
    Call::Lease,
    Call::Container,
    Call::Namespace,
    Call::Unpack,
    Call::Fetch,
    Call::Collect,
    Call::Follow,
    Call::AwaitLayer,
    Call::Subscribe,
];

/// Under which all is made, so that a collection leaves it alone.
pub const LEASE: &str = "the-client";
const DRIVER: &str = "native";
const PARTS: usize = 12;

pub fn held() -> Scope {
    Scope::default().leased(LEASE)
}

/// A blob that nobody ever writes.
fn absent() -> Digest {
    Digest::of(b"nobody writes this")
}

impl Call {
    /// Whether it goes on until the client leaves.
    pub fn waits(self) -> bool {
        matches!(self, Self::Follow | Self::AwaitLayer | Self::Subscribe)
    }

    pub async fn make(self, channel: &Channel, things: &Things) -> Result<()> {
        let channel = channel.clone();
        match self {
            Self::Write => write(channel, &things.bytes).await,
            Self::WriteBeside => write_beside(channel, &things.bytes).await,
            Self::Read => read(channel, &things.layer.blob).await,
            Self::Snapshot => snapshot(channel).await,
            Self::Image => image(channel, &things.layer.blob).await,
            Self::Lease => lease(channel).await,
            Self::Container => container(channel).await,
            Self::Namespace => namespace(channel).await,
            Self::Unpack => unpacked(channel, things.layer.clone()).await,
            Self::Fetch => fetch(channel, things).await,
            Self::Collect => collect::Client::new(channel).collect(false).await.map(drop),
            Self::Follow => {
                let mut follower = content::Client::new(channel).follow(&held(), &absent()).await?;
                follower.next().await.map(drop)
            }
            Self::AwaitLayer => {
                let blob = Descriptor { digest: absent(), ..things.layer.blob.clone() };
                unpacked(channel, Layer { blob, diff_id: DiffId(absent()), parent: None }).await
            }
            Self::Subscribe => {
                let mut listening = events::Client::new(channel).listen(&[]).await?;
                while listening.next().await?.is_some() {}
                Ok(())
            }
        }
    }
}

/// As containerd's clients write.
async fn write(channel: Channel, bytes: &Bytes) -> Result<()> {
    let (name, expected) = ("a-ref".to_owned(), Digest::of(bytes).to_string());
    let first = Message { r#ref: name, expected, ..Message::default() };
    let part = bytes.len() / PARTS;
    let mut messages = vec![Message { action: WriteAction::Stat.into(), ..first.clone() }];
    messages.extend((0..PARTS).map(|n| {
        let data = bytes.slice(n * part..(n + 1) * part);
        let (action, offset) = (WriteAction::Write.into(), (n * part) as i64);
        Message { action, offset, data, ..first.clone() }
    }));
    let offset = bytes.len() as i64;
    messages.push(Message { action: WriteAction::Commit.into(), offset, ..first });
    let request = scope::request(&held(), tokio_stream::iter(messages));
    let told = async {
        let mut answers = ContentClient::new(channel.clone()).write(request).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    };
    told.await.map_err(from_status).unless_exists()?;
    delete(channel, &Digest::of(bytes)).await
}

/// What was written goes, so that the next one writes it.
async fn delete(channel: Channel, digest: &Digest) -> Result<()> {
    content::Client::new(channel).delete(&held(), digest).await
}

/// As Varve's own write.
async fn write_beside(channel: Channel, bytes: &Bytes) -> Result<()> {
    let bytes = Bytes::from([b"beside".as_slice(), bytes].concat());
    let (ingest, digest) = ("another-ref".to_owned(), Digest::of(&bytes));
    let open = OpenWriter { ingest, expected: Some(digest), total: bytes.len() as u64 };
    let writer = content::Client::new(channel.clone()).writer(&held(), open).await;
    let Some(mut writer) = writer.unless_exists()? else { return delete(channel, &digest).await };
    // Resumes, as a download does.
    let mut at = writer.status().offset as usize;
    while at < bytes.len() {
        let end = (at + bytes.len() / PARTS).min(bytes.len());
        writer.write(bytes.slice(at..end)).await?;
        at = end;
    }
    writer.commit(Commit::default()).await.unless_exists()?;
    delete(channel, &digest).await
}

async fn read(channel: Channel, blob: &Descriptor) -> Result<()> {
    let request = ReadContentRequest { digest: blob.digest.to_string(), offset: 0, size: 0 };
    let told = async {
        let request = scope::request(&held(), request);
        let mut pieces = ContentClient::new(channel).read(request).await?.into_inner();
        while pieces.message().await?.is_some() {}
        Ok(())
    };
    told.await.map_err(from_status)
}

async fn snapshot(channel: Channel) -> Result<()> {
    let snapshots = snapshots::Client::new(channel, DRIVER);
    if snapshots.stat(&held(), "a-name").await.found()?.is_none() {
        let new = NewSnapshot { key: "a-key".into(), ..NewSnapshot::default() };
        snapshots.prepare(&held(), new).await.unless_exists()?;
        snapshots.mounts(&held(), "a-key").await?;
        snapshots.commit(&held(), "a-name", "a-key", &Labels::new()).await?;
    }
    let parent = Some("a-name".to_owned());
    let new = NewSnapshot { key: "a-view".into(), parent, ..NewSnapshot::default() };
    snapshots.view(&held(), new).await.unless_exists()?;
    snapshots.remove(&held(), "a-view").await?;
    snapshots.remove(&held(), "a-name").await
}

async fn image(channel: Channel, target: &Descriptor) -> Result<()> {
    let images = images::Client::new(channel);
    let image = Image::new("127.0.0.1/an/image:1", target.clone());
    images.create(&held(), &image).await.unless_exists()?;
    images.update(&held(), &image, &Mask::all()).await?;
    Images::delete(&images, &held(), &image.name).await
}

async fn lease(channel: Channel) -> Result<()> {
    let (leases, scope) = (leases::Client::new(channel), Scope::default());
    leases.create(&scope, "a-lease", &Labels::new()).await.unless_exists()?;
    leases.add_resource(&scope, "a-lease", &Resource::content(&absent())).await?;
    leases.delete(&scope, "a-lease").await
}

async fn container(channel: Channel) -> Result<()> {
    let (containers, now) = (containers::Client::new(channel), varve_core::time::now());
    let container = Container {
        id: "a-container".into(),
        labels: Labels::new(),
        image: String::new(),
        runtime: Runtime::default(),
        spec: None,
        snapshotter: DRIVER.into(),
        snapshot_key: "a-key-of-its-own".into(),
        created_at: now,
        updated_at: now,
        extensions: Default::default(),
    };
    containers.create(&held(), &container).await.unless_exists()?;
    Containers::delete(&containers, &held(), "a-container").await
}

async fn namespace(channel: Channel) -> Result<()> {
    let namespaces = namespaces::Client::new(channel);
    let name = "a-namespace".parse()?;
    namespaces.create(&name, &Labels::new()).await.unless_exists()?;
    namespaces.delete(&name).await
}

async fn unpacked(channel: Channel, layer: Layer) -> Result<()> {
    let snapshotter = unpack::Client::new(channel).open(DRIVER).await?;
    let name = layer.chain_id().to_string();
    snapshotter.unpacker.unpack(&held(), layer, Progress::ignored()).await?;
    snapshotter.snapshots.remove(&held(), &name).await
}

async fn fetch(channel: Channel, things: &Things) -> Result<()> {
    let (remote, blob) = &things.remote;
    let fetching = Fetching::new(|_| {});
    fetcher::Client::new(channel.clone()).fetch(&held(), remote, blob, fetching).await?;
    delete(channel, &blob.digest).await
}

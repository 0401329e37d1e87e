//! What a pull would do, without doing it: nothing is written, no lease is made, and documents that are not here are
//! looked at where they are.

use std::sync::Arc;

use serde::Serialize;
use varve_core::{Descriptor, Platform, Result, Scope};

use super::job::Job;
use super::layers::{self, Todo};
use super::space::{self, Room};
use super::{Wish, check_wish, here};
use crate::failure::about;
use crate::image::{Documents, Image, Source, offered_by};
use crate::progress::Silent;
use crate::services::Services;

/// What a pull would do.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Canonical.
    pub name: String,
    /// What the name points to.
    pub digest: String,
    pub manifest: String,
    /// The image's id: its config's digest.
    pub id: String,
    pub platform: String,
    /// Why this platform.
    pub why: String,
    /// Platforms that there are to choose from; empty where the name points to no index.
    pub offered: Vec<String>,
    pub snapshotter: Option<String>,
    /// The name points to it already, and all of it is here.
    pub up_to_date: bool,
    /// Bottom first.
    pub layers: Vec<Step>,
    /// Bytes to download, documents included, and less what an interrupted pull has left.
    pub download: u64,
    /// Bytes that layers will take when they are unpacked, estimated by their compression.
    pub unpack: u64,
    /// File systems that this process can see.
    pub rooms: Vec<Room>,
}

/// A layer.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub digest: String,
    /// Bytes of the blob.
    pub size: u64,
    pub downloaded: bool,
    pub unpacked: bool,
}

/// Asks the registry, and looks at what is here.
pub async fn plan(services: &Services, scope: &Scope, wish: &Wish) -> Result<Plan> {
    let name = wish.remote.reference.to_string();
    let made = async {
        let target = services.resolver.resolve(&wish.remote).await?;
        let documents = Documents { services, scope, source: Source::Looked(&wish.remote) };
        let image = documents.load(&target, &wish.wanted()).await?;
        check_wish(wish, &image)?;
        let up_to_date = here::find(services, scope, wish, &target).await?.is_some();
        let job = Job::new(services, scope, wish, Arc::new(Silent));
        let todo = layers::survey(&job, &image).await?;
        let documents = missing_documents(services, scope, &image).await?;
        Ok(Plan {
            name: name.clone(),
            digest: target.digest.to_string(),
            manifest: image.manifest.digest.to_string(),
            id: image.id().to_string(),
            platform: image.platform().to_string(),
            why: why(wish, &image),
            offered: offered_by(&image.indexes),
            snapshotter: wish.snapshotter.as_ref().map(|snapshotter| snapshotter.name.clone()),
            up_to_date,
            download: space::download(&job, &todo).await?.saturating_add(documents),
            unpack: space::unpack(&todo),
            rooms: space::rooms(services, &job, &todo).await?,
            layers: todo.iter().map(|todo| step(wish, todo)).collect(),
        })
    };
    made.await.map_err(about(|| name.clone()))
}

/// Bytes of indexes, manifest and config that are not here.
async fn missing_documents(services: &Services, scope: &Scope, image: &Image) -> Result<u64> {
    let indexes = image.indexes.iter().map(|(descriptor, _)| descriptor);
    let all: Vec<&Descriptor> = indexes.chain([&image.manifest, &image.document.config]).collect();
    let mut bytes = 0_u64;
    for document in all {
        if !here::has_blob(&*services.content, scope, &document.digest).await? {
            bytes = bytes.saturating_add(document.size);
        }
    }
    Ok(bytes)
}

fn step(wish: &Wish, todo: &Todo) -> Step {
    Step {
        digest: todo.layer.blob.digest.to_string(),
        size: todo.layer.blob.size,
        downloaded: todo.has_blob,
        unpacked: todo.has_tree && wish.snapshotter.is_some(),
    }
}

fn why(wish: &Wish, image: &Image) -> String {
    let wanted = wish.wanted();
    if image.indexes.is_empty() {
        return "the only one there is".into();
    }
    let whose = match &wish.platform {
        Some(_) => "as it was asked for",
        None => "as this machine is",
    };
    match image.manifest.platform.as_ref().map(Platform::normalized) {
        None => format!("none is said to be for {wanted}, and it does not say what it is for"),
        Some(platform) if platform == wanted.normalized() => whose.into(),
        Some(_) => format!("the best of those that {wanted} runs"),
    }
}

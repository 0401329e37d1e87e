//! A containerd's snapshotters: those of its plugins that work.

use std::sync::Arc;

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::changes::{Changes, Listing};
use varve_core::content::Content;
use varve_core::fsck::{Compared, Finding, Trees};
use varve_core::snapshotters::{self, Driver, Drivers, Snapshotter};
use varve_core::unpack::{Layer, Progress};
use varve_core::{Error, Result, Scope};
use varve_proto::containerd::services::introspection::v1::Plugin;

use super::unpacker::Unpacker;
use super::{none, plugins};
use crate::{diff, snapshots};

const KIND: &str = "io.containerd.snapshotter.v1";
/// containerd's own default.
const DEFAULT: &str = "overlayfs";

pub struct Snapshotters {
    pub channel: Channel,
    pub content: Arc<dyn Content>,
}

#[async_trait]
impl snapshotters::Snapshotters for Snapshotters {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        let Drivers { default, drivers } = self.drivers().await?;
        let name = if name.is_empty() { default.as_str() } else { name };
        let names: Vec<_> = drivers.iter().map(|driver| driver.name.clone()).collect();
        let driver = drivers.into_iter().find(|driver| driver.name == name).ok_or_else(|| {
            let there = names.join(", ");
            Error::invalid(format!("there is no snapshotter {name:?}; there are {there}"))
        })?;
        let snapshots = Arc::new(snapshots::Client::new(self.channel.clone(), name));
        let diff = Arc::new(diff::Client::new(self.channel.clone()));
        let content = self.content.clone();
        Ok(Snapshotter {
            unpacker: Arc::new(Unpacker {
                content,
                snapshots: snapshots.clone(),
                diff: diff.clone(),
            }),
            snapshots,
            diff,
            changes: Arc::new(Nothing),
            trees: Arc::new(Nothing),
            name: driver.name,
            dir: driver.dir,
            copies: driver.copies,
        })
    }

    async fn drivers(&self) -> Result<Drivers> {
        let plugins = plugins(&self.channel, KIND).await?;
        let drivers: Vec<Driver> = plugins.into_iter().map(driver).collect();
        let known = drivers.iter().find(|driver| driver.name == DEFAULT);
        let default = known.or(drivers.first()).map(|driver| driver.name.clone());
        Ok(Drivers { default: default.unwrap_or_default(), drivers })
    }
}

fn driver(plugin: Plugin) -> Driver {
    Driver {
        dir: plugin.exports.get("root").cloned().unwrap_or_default().into(),
        copies: plugin.id == "native",
        // Which are not told, so each is looked into.
        used: true,
        name: plugin.id,
    }
}

/// What no containerd does.
struct Nothing;

#[async_trait]
impl Changes for Nothing {
    async fn changes(&self, _: &Scope, _: &str) -> Result<Box<dyn Listing>> {
        Err(none("list changes"))
    }
}

#[async_trait]
impl Trees for Nothing {
    async fn examine(&self, _: bool) -> Result<Vec<Finding>> {
        Err(none("look for damage"))
    }

    async fn compare(&self, _: &Scope, _: Layer, _: bool, _: Progress) -> Result<Compared> {
        Err(none("look for damage"))
    }
}

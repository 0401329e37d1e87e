//! The snapshotters of a service elsewhere.

use async_trait::async_trait;
use std::sync::Arc;

use tonic::transport::Channel;
use varve_core::changes::{Changes, Listing};
use varve_core::fsck::Trees;
use varve_core::snapshots::Usage;
use varve_core::snapshotters::{Driver, Drivers, Snapshotter, Snapshotters};
use varve_core::unpack::{self, Layer, Progress, Unpacked};
use varve_core::{ChainId, Error, Result, Scope};
use varve_proto::varve::snapshots::v1 as wire;
use varve_proto::varve::snapshots::v1::unpack_response::Event;
use varve_proto::varve::snapshots::v1::unpacker_client::UnpackerClient;

use super::changes::Listed;
use crate::progress::cut_off;
use crate::status::from_status;
use crate::{convert, diff, scope, snapshots};

/// All snapshotters of one service.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    unpacker: UnpackerClient<Channel>,
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self { unpacker: UnpackerClient::new(channel.clone()), channel }
    }

    fn trees(&self, name: &str) -> Arc<dyn Trees> {
        Arc::new(Unpacker { client: self.unpacker.clone(), name: name.to_owned() })
    }

    fn snapshotter(&self, driver: Driver) -> Snapshotter {
        let Driver { name, dir, copies, .. } = driver;
        Snapshotter {
            snapshots: Arc::new(snapshots::Client::new(self.channel.clone(), &name)),
            unpacker: Arc::new(Unpacker { client: self.unpacker.clone(), name: name.clone() }),
            diff: Arc::new(diff::Client::new(self.channel.clone())),
            changes: Arc::new(Unpacker { client: self.unpacker.clone(), name: name.clone() }),
            trees: self.trees(&name),
            name,
            dir,
            copies,
        }
    }
}

#[async_trait]
impl Snapshotters for Client {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        let Drivers { default, drivers } = self.drivers().await?;
        let name = if name.is_empty() { default.as_str() } else { name };
        let names: Vec<_> = drivers.iter().map(|driver| driver.name.clone()).collect();
        let driver = drivers.into_iter().find(|driver| driver.name == name).ok_or_else(|| {
            let there = names.join(", ");
            Error::invalid(format!("there is no snapshotter {name:?}; there are {there}"))
        })?;
        Ok(self.snapshotter(driver))
    }

    async fn drivers(&self) -> Result<Drivers> {
        let answer = self.unpacker.clone().drivers(wire::DriversRequest {}).await;
        let answer = answer.map_err(from_status)?.into_inner();
        let driver = |driver: wire::Driver| Driver {
            name: driver.name,
            dir: driver.directory.into(),
            copies: driver.copies,
            used: driver.used,
        };
        let drivers = answer.drivers.into_iter().map(driver).collect();
        Ok(Drivers { default: answer.default, drivers })
    }
}

/// One driver's unpacker over a channel.
#[derive(Clone, Debug)]
pub struct Unpacker {
    pub(super) client: UnpackerClient<Channel>,
    pub(super) name: String,
}

#[async_trait]
impl unpack::Unpacker for Unpacker {
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked> {
        let request = wire::UnpackRequest {
            snapshotter: self.name.clone(),
            blob: Some(convert::descriptor(&layer.blob)),
            diff_id: layer.diff_id.to_string(),
            parent: convert::optional(layer.parent),
        };
        let request = scope::request(scope, request);
        let answers = self.client.clone().unpack(request).await;
        let mut answers = answers.map_err(from_status)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(from_status)? {
            match answer.event {
                Some(Event::At(bytes)) => progress.tell(bytes),
                Some(Event::Done(done)) => return unpacked(done),
                None => {}
            }
        }
        Err(cut_off())
    }
}

#[async_trait]
impl Changes for Unpacker {
    async fn changes(&self, scope: &Scope, key: &str) -> Result<Box<dyn Listing>> {
        let request = wire::ChangesRequest { snapshotter: self.name.clone(), key: key.to_owned() };
        let answers = self.client.clone().changes(scope::request(scope, request)).await;
        Ok(Box::new(Listed(answers.map_err(from_status)?.into_inner())))
    }
}

fn unpacked(done: wire::Done) -> Result<Unpacked> {
    Ok(Unpacked {
        chain_id: ChainId(done.chain_id.parse()?),
        reused: done.reused,
        usage: Usage { size: done.size, inodes: done.inodes },
        notices: done.notices,
    })
}

//! What would reach out to registries: it finds nothing there, whatever it is asked.

use std::sync::Arc;

use bytes::Bytes;
use varve_core::remotes::{Fetched, Fetcher, Progress, Remote, Resolver};
use varve_core::snapshotters::{Driver, Drivers, Snapshotter, Snapshotters};
use varve_core::{Descriptor, Error, Platform, Result, Scope};
use varve_snapshotter::Service;

pub struct Nowhere;

fn nothing<T>(remote: &Remote) -> Result<T> {
    let hosts: Vec<&str> = remote.credentials.iter().map(|one| one.host.as_str()).collect();
    Err(Error::not_found(format!("{}, with logins at {hosts:?}", remote.reference)))
}

#[tonic::async_trait]
impl Resolver for Nowhere {
    async fn resolve(&self, remote: &Remote) -> Result<Descriptor> {
        nothing(remote)
    }

    async fn select(&self, _: &Scope, target: &Descriptor, wish: &Platform) -> Result<Descriptor> {
        match wish.rank(target.platform.as_ref().unwrap_or(wish)) {
            Some(_) => Ok(target.clone()),
            None => Err(Error::not_found(format!("{wish} in {}", target.digest))),
        }
    }

    async fn document(&self, remote: &Remote, _: &Descriptor) -> Result<Bytes> {
        nothing(remote)
    }

    async fn tags(&self, remote: &Remote) -> Result<Vec<String>> {
        nothing(remote)
    }
}

#[tonic::async_trait]
impl Fetcher for Nowhere {
    async fn fetch(
        &self,
        _: &Scope,
        remote: &Remote,
        _: &Descriptor,
        _: Progress,
    ) -> Result<Fetched> {
        nothing(remote)
    }
}

/// One driver, which needs no rights; all other names are unknown.
pub struct One(pub Service, pub std::path::PathBuf);

#[tonic::async_trait]
impl Snapshotters for One {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        if !matches!(name, "" | "native") {
            return Err(Error::invalid(format!("there is no snapshotter {name:?}")));
        }
        Ok(Snapshotter {
            name: "native".into(),
            dir: self.1.clone(),
            copies: true,
            snapshots: Arc::clone(&self.0.snapshots),
            unpacker: Arc::clone(&self.0.unpacker),
            diff: Arc::clone(&self.0.diff),
            changes: Arc::clone(&self.0.changes),
            trees: Arc::clone(&self.0.trees),
        })
    }

    async fn drivers(&self) -> Result<Drivers> {
        let driver =
            Driver { name: "native".into(), dir: self.1.clone(), copies: true, used: true };
        Ok(Drivers { default: "native".into(), drivers: vec![driver] })
    }
}

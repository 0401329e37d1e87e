//! The part of a container that may be large: options, spec and extensions, in a file of its own.
//!
//! `containers/<id>` is written once, is durable before a record names it, and is removed after no
//! record does; what a crash leaves over is removed at the next open.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use varve_core::containers::{Any, Container};
use varve_core::{Error, Result};

use crate::layout::{self, Layout};
use crate::records::{Records, Sort, blocking, noun, values};
use crate::store::Store;

/// Largest body, in bytes.
const MAX_BODY: u64 = 16 << 20;
const FORMAT: u32 = 1;

/// What a body holds.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    v: u32,
    pub options: Option<Typed>,
    pub spec: Option<Typed>,
    pub extensions: BTreeMap<String, Typed>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    type_url: String,
    value: Value,
}

/// A spec is JSON: kept as the text that it is.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Any> for Typed {
    fn from(any: &Any) -> Self {
        let value = match String::from_utf8(any.value.to_vec()) {
            Ok(text) => Value::Text(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        };
        Self { type_url: any.type_url.clone(), value }
    }
}

impl From<Typed> for Any {
    fn from(typed: Typed) -> Self {
        let value = match typed.value {
            Value::Text(text) => Bytes::from(text),
            Value::Bytes(bytes) => Bytes::from(bytes),
        };
        Self { type_url: typed.type_url, value }
    }
}

impl Body {
    /// What of a container is kept here.
    pub fn of(container: &Container) -> Self {
        let extensions = container.extensions.iter();
        Self {
            v: FORMAT,
            options: container.runtime.options.as_ref().map(Typed::from),
            spec: container.spec.as_ref().map(Typed::from),
            extensions: extensions.map(|(name, any)| (name.clone(), any.into())).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.options.is_none() && self.spec.is_none() && self.extensions.is_empty()
    }

    /// Reads the file `name`. DataLoss where it is not, or is not readable.
    pub fn read(layout: &Layout, name: &str) -> Result<Self> {
        let path = layout.bodies().join(name);
        let lost = |why: String| Error::data_loss(format!("{}: {why}", path.display()));
        let bytes = fs::read(&path).map_err(|error| layout::at(&path, error))?;
        let body: Self = serde_json::from_slice(&bytes).map_err(|error| lost(error.to_string()))?;
        if body.v != FORMAT {
            return Err(lost(format!("format {}, want {FORMAT}; use a newer varve", body.v)));
        }
        Ok(body)
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let internal = |error| Error::internal("a container's spec").with_source(error);
        let bytes = serde_json::to_vec(self).map_err(internal)?;
        if bytes.len() as u64 > MAX_BODY {
            let message =
                format!("a container's spec: {} bytes, more than {MAX_BODY}", bytes.len());
            return Err(Error::exhausted(message));
        }
        Ok(bytes)
    }
}

impl Store {
    /// Writes a container's body and answers its name; `None` where there is nothing to write.
    pub async fn write_body(&self, body: Body) -> Result<Option<String>> {
        if body.is_empty() {
            return Ok(None);
        }
        let (dir, name) = (self.layout.bodies(), crate::leases::new_id());
        blocking(move || {
            layout::replace(&dir.join(&name), &body.encode()?)?;
            Ok(Some(name))
        })
        .await
    }

    /// Removes a body that no record names any longer.
    pub async fn remove_body(&self, name: Option<String>) -> Result<()> {
        let Some(path) = name.map(|name| self.layout.bodies().join(name)) else { return Ok(()) };
        blocking(move || remove(path)).await
    }
}

/// Removes the bodies that no record names: a crash left them. Blocks.
pub fn sweep(layout: &Layout, records: &Records) -> Result<()> {
    let files = layout::list(&layout.bodies())?;
    if files.is_empty() {
        return Ok(());
    }
    let all = noun::list_all(records.db(), Sort::Container)?;
    let named = all.iter().filter_map(|(noun, stored)| {
        values::decode::<values::Container>(noun, &stored.value).ok()?.body
    });
    let named: Vec<String> = named.collect();
    let stray = files.into_iter().filter(|file| !named.contains(file));
    stray.into_iter().try_for_each(|file| remove(layout.bodies().join(file)))
}

fn remove(path: PathBuf) -> Result<()> {
    layout::unless_gone(fs::remove_file(&path)).map_err(|error| layout::at(&path, error))
}

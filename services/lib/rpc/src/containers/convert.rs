//! Containers to the wire and back.

use prost_types::Any as WireAny;
use varve_core::containers::{Any, Container, Runtime};
use varve_core::{Error, Result, Timestamp};
use varve_proto::containerd::services::containers::v1 as wire;

use crate::convert;

/// What an update may replace, besides labels.
pub const FIELDS: [&str; 4] = ["spec", "extensions", "image", "snapshotkey"];

pub fn container(container: Container) -> wire::Container {
    let Runtime { name, options } = container.runtime;
    wire::Container {
        id: container.id,
        labels: convert::labels(&container.labels),
        image: container.image,
        runtime: Some(wire::container::Runtime { name, options: options.map(any) }),
        spec: container.spec.map(any),
        snapshotter: container.snapshotter,
        snapshot_key: container.snapshot_key,
        created_at: Some(convert::timestamp(container.created_at)),
        updated_at: Some(convert::timestamp(container.updated_at)),
        extensions: container
            .extensions
            .into_iter()
            .map(|(key, value)| (key, any(value)))
            .collect(),
        sandbox: String::new(),
    }
}

/// What a server answered.
pub fn from_container(wire: Option<wire::Container>) -> Result<Container> {
    let wire = wire.ok_or_else(|| Error::invalid("a container is missing"))?;
    let created_at = convert::from_timestamp(wire.created_at)?;
    let updated_at = convert::from_timestamp(wire.updated_at)?;
    Ok(timed(wire, created_at, updated_at))
}

/// A container as a request has it: its times are the server's to know.
pub fn from_new(wire: Option<wire::Container>) -> Result<Container> {
    let wire = wire.ok_or_else(|| Error::invalid("a container is missing"))?;
    let now = varve_core::time::now();
    Ok(timed(wire, now, now))
}

fn timed(wire: wire::Container, created_at: Timestamp, updated_at: Timestamp) -> Container {
    let runtime = wire.runtime.unwrap_or_default();
    Container {
        id: wire.id,
        labels: convert::from_labels(wire.labels),
        image: wire.image,
        runtime: Runtime { name: runtime.name, options: runtime.options.map(from_any) },
        spec: wire.spec.map(from_any),
        snapshotter: wire.snapshotter,
        snapshot_key: wire.snapshot_key,
        created_at,
        updated_at,
        extensions: wire
            .extensions
            .into_iter()
            .map(|(key, value)| (key, from_any(value)))
            .collect(),
    }
}

pub fn any(any: Any) -> WireAny {
    WireAny { type_url: any.type_url, value: any.value.into() }
}

fn from_any(wire: WireAny) -> Any {
    Any { type_url: wire.type_url, value: wire.value.into() }
}

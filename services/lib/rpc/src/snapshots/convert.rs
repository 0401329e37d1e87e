//! Snapshots' own words, to the wire and back.

use varve_core::snapshots::{Info, Kind, NewSnapshot};
use varve_core::{Error, Result};
use varve_proto::containerd::services::snapshots::v1 as wire;

use crate::convert;

pub fn info(info: Info) -> wire::Info {
    wire::Info {
        name: info.name,
        parent: info.parent.unwrap_or_default(),
        kind: kind(info.kind).into(),
        created_at: Some(convert::timestamp(info.created_at)),
        updated_at: Some(convert::timestamp(info.updated_at)),
        labels: convert::labels(&info.labels),
    }
}

pub fn from_info(wire: Option<wire::Info>) -> Result<Info> {
    let wire = wire.ok_or_else(|| Error::invalid("the facts of a snapshot are missing"))?;
    Ok(Info {
        kind: from_kind(wire.kind())?,
        name: wire.name,
        parent: convert::non_empty(wire.parent),
        labels: convert::from_labels(wire.labels),
        created_at: convert::from_timestamp(wire.created_at)?,
        updated_at: convert::from_timestamp(wire.updated_at)?,
    })
}

fn kind(kind: Kind) -> wire::Kind {
    match kind {
        Kind::View => wire::Kind::View,
        Kind::Active => wire::Kind::Active,
        Kind::Committed => wire::Kind::Committed,
    }
}

fn from_kind(wire: wire::Kind) -> Result<Kind> {
    match wire {
        wire::Kind::View => Ok(Kind::View),
        wire::Kind::Active => Ok(Kind::Active),
        wire::Kind::Committed => Ok(Kind::Committed),
        wire::Kind::Unknown => Err(Error::invalid("a snapshot of no known kind")),
    }
}

/// Prepare and View ask with the same fields.
pub fn new_snapshot(
    key: String,
    parent: String,
    labels: std::collections::HashMap<String, String>,
) -> NewSnapshot {
    let labels = convert::from_labels(labels);
    NewSnapshot { key, parent: convert::non_empty(parent), labels }
}

//! Blobs and ingests to the wire and back.

use varve_core::content::{Info, Status};
use varve_core::{Error, Result};
use varve_proto::containerd::services::content::v1 as wire;

use crate::convert::{self, signed, unsigned};

pub fn info(info: Info) -> wire::Info {
    wire::Info {
        digest: info.digest.to_string(),
        size: signed(info.size),
        created_at: Some(convert::timestamp(info.created_at)),
        updated_at: Some(convert::timestamp(info.updated_at)),
        labels: convert::labels(&info.labels),
    }
}

pub fn from_info(wire: Option<wire::Info>) -> Result<Info> {
    let wire = wire.ok_or_else(|| Error::invalid("the facts of a blob are missing"))?;
    Ok(Info {
        digest: convert::from_digest(&wire.digest)?,
        size: unsigned("the size of a blob", wire.size)?,
        created_at: convert::from_timestamp(wire.created_at)?,
        updated_at: convert::from_timestamp(wire.updated_at)?,
        labels: convert::from_labels(wire.labels),
    })
}

pub fn status(status: Status) -> wire::Status {
    wire::Status {
        started_at: Some(convert::timestamp(status.started_at)),
        updated_at: Some(convert::timestamp(status.updated_at)),
        r#ref: status.ingest,
        offset: signed(status.offset),
        total: signed(status.total),
        expected: convert::optional(status.expected),
    }
}

pub fn from_status(wire: Option<wire::Status>) -> Result<Status> {
    let wire = wire.ok_or_else(|| Error::invalid("the status of an ingest is missing"))?;
    Ok(Status {
        started_at: convert::from_timestamp(wire.started_at)?,
        updated_at: convert::from_timestamp(wire.updated_at)?,
        ingest: wire.r#ref,
        offset: unsigned("the offset of an ingest", wire.offset)?,
        total: unsigned("the size of an ingest", wire.total)?,
        expected: convert::from_optional_digest(&wire.expected)?,
    })
}

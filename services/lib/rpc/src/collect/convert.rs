//! What a collection removed, and snapshots in the graph of references, to the wire and back.

use varve_core::collect::{Collected, Node};
use varve_core::{Error, Kind, Namespace, Result};
use varve_proto::google::rpc;
use varve_proto::varve::content::v1 as wire;

use crate::convert;
use crate::status::{from_status, to_status};

pub fn place(namespace: &Namespace, id: impl ToString) -> wire::Place {
    wire::Place { namespace: namespace.to_string(), id: id.to_string() }
}

pub fn from_place(wire: wire::Place) -> Result<(Namespace, String)> {
    Ok((wire.namespace.parse()?, wire.id))
}

pub fn collected(collected: &Collected) -> wire::Collected {
    let snapshot = |(snapshotter, namespace, key): &(String, Namespace, String)| {
        let (snapshotter, place) = (snapshotter.clone(), Some(place(namespace, key)));
        wire::SnapshotPlace { snapshotter, place }
    };
    wire::Collected {
        blobs: collected.blobs.iter().map(|(namespace, id)| place(namespace, id)).collect(),
        ingests: collected.ingests.iter().map(|(namespace, id)| place(namespace, id)).collect(),
        leases: collected.leases.iter().map(|(namespace, id)| place(namespace, id)).collect(),
        snapshots: collected.snapshots.iter().map(snapshot).collect(),
        bytes: collected.bytes,
    }
}

pub fn from_collected(wire: wire::Collected) -> Result<Collected> {
    let blob = |place| {
        let (namespace, id) = from_place(place)?;
        Ok((namespace, id.parse()?))
    };
    let snapshot = |wire: wire::SnapshotPlace| {
        let (namespace, key) = from_place(wire.place.unwrap_or_default())?;
        Ok((wire.snapshotter, namespace, key))
    };
    Ok(Collected {
        blobs: wire.blobs.into_iter().map(blob).collect::<Result<_>>()?,
        ingests: wire.ingests.into_iter().map(from_place).collect::<Result<_>>()?,
        leases: wire.leases.into_iter().map(from_place).collect::<Result<_>>()?,
        snapshots: wire.snapshots.into_iter().map(snapshot).collect::<Result<_>>()?,
        bytes: wire.bytes,
    })
}

pub fn node(node: Node) -> wire::Node {
    wire::Node {
        namespace: node.namespace.to_string(),
        labels: convert::labels(&node.labels),
        key: node.key,
        parent: node.parent.unwrap_or_default(),
        size: node.size,
    }
}

pub fn from_node(wire: wire::Node) -> Result<Node> {
    Ok(Node {
        namespace: wire.namespace.parse()?,
        key: wire.key,
        parent: convert::non_empty(wire.parent),
        labels: convert::from_labels(wire.labels),
        size: wire.size,
    })
}

/// An error inside a message.
pub fn failure(error: Error) -> rpc::Status {
    let status = to_status(error);
    let (code, message) = (status.code().into(), status.message().to_owned());
    rpc::Status { code, message, details: Vec::new() }
}

pub fn from_failure(wire: rpc::Status) -> Error {
    from_status(tonic::Status::new(wire.code.into(), wire.message))
}

/// Who answers something else than was asked.
pub fn confused() -> Error {
    Error::new(Kind::Internal, "the snapshotter answered another question")
}

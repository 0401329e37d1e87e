//! Leases to the wire and back.

use varve_core::leases::{Lease, Resource};
use varve_core::{Error, Result};
use varve_proto::containerd::services::leases::v1 as wire;

use crate::convert;

pub fn lease(lease: Lease) -> wire::Lease {
    wire::Lease {
        created_at: Some(convert::timestamp(lease.created_at)),
        labels: convert::labels(&lease.labels),
        id: lease.id,
    }
}

pub fn from_lease(wire: Option<wire::Lease>) -> Result<Lease> {
    let wire = wire.ok_or_else(|| Error::invalid("a lease is missing"))?;
    Ok(Lease {
        created_at: convert::from_timestamp(wire.created_at)?,
        labels: convert::from_labels(wire.labels),
        id: wire.id,
    })
}

pub fn resource(resource: &Resource) -> wire::Resource {
    wire::Resource { id: resource.id.clone(), r#type: resource.kind.clone() }
}

pub fn from_resource(wire: Option<wire::Resource>) -> Result<Resource> {
    let wire = wire.ok_or_else(|| Error::invalid("a resource is missing"))?;
    Ok(Resource { kind: wire.r#type, id: wire.id })
}

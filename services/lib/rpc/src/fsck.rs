//! What is not sound, to the wire and back.

use varve_core::fsck::{Depth, Finding, How, Report};
use varve_core::{Error, Result};
use varve_proto::varve::content::v1 as wire;
use varve_proto::varve::types;

use crate::convert;

pub fn finding(finding: Finding) -> types::Finding {
    types::Finding {
        fault: finding.fault.to_string(),
        namespace: convert::optional(finding.namespace),
        noun: finding.noun,
        what: finding.what,
        done: finding.done.unwrap_or_default(),
    }
}

pub fn from_finding(wire: types::Finding) -> Result<Finding> {
    let namespace = convert::non_empty(wire.namespace);
    Ok(Finding {
        fault: wire.fault.parse()?,
        namespace: namespace.map(|name| name.parse()).transpose()?,
        noun: wire.noun,
        what: wire.what,
        done: convert::non_empty(wire.done),
    })
}

pub fn request(how: How) -> wire::FsckRequest {
    let depth = match how.depth {
        Depth::Full => wire::FsckDepth::Full,
        Depth::Quick => wire::FsckDepth::Quick,
        Depth::Scrub => wire::FsckDepth::Scrub,
    };
    let How { repair, bytes_per_second, .. } = how;
    wire::FsckRequest { depth: depth.into(), repair, bytes_per_second }
}

pub fn from_request(wire: wire::FsckRequest) -> Result<How> {
    let depth = match wire::FsckDepth::try_from(wire.depth) {
        Ok(wire::FsckDepth::Full) => Depth::Full,
        Ok(wire::FsckDepth::Quick) => Depth::Quick,
        Ok(wire::FsckDepth::Scrub) => Depth::Scrub,
        Err(_) => return Err(Error::invalid("a depth that is not known here")),
    };
    Ok(How { depth, repair: wire.repair, bytes_per_second: wire.bytes_per_second })
}

pub fn report(report: Report) -> wire::Fscked {
    let Report { findings, more, blobs, hashed } = report;
    let findings = findings.into_iter().map(finding).collect();
    wire::Fscked { findings, more, blobs, hashed }
}

pub fn from_report(wire: wire::Fscked) -> Result<Report> {
    let wire::Fscked { findings, more, blobs, hashed } = wire;
    let findings = findings.into_iter().map(from_finding).collect::<Result<_>>()?;
    Ok(Report { findings, more, blobs, hashed })
}

#[cfg(test)]
mod tests {
    use varve_core::Namespace;
    use varve_core::fsck::Fault;

    use super::*;

    #[test]
    fn what_was_found_survives_the_trip() {
        let found = |fault, namespace, done: Option<&str>| Finding {
            fault,
            namespace,
            noun: "sha256:ab".into(),
            what: "its file has 3 bytes".into(),
            done: done.map(str::to_owned),
        };
        let findings = vec![
            found(Fault::Cut, None, None),
            found(Fault::NoBytes, Some(Namespace::default()), Some("fetched again")),
        ];
        let there = Report { findings, more: 1, blobs: 2, hashed: 3 };
        assert_eq!(from_report(report(there.clone())).unwrap(), there);
    }

    #[test]
    fn how_it_is_looked_at_survives_the_trip() {
        for depth in [Depth::Full, Depth::Quick, Depth::Scrub] {
            let how = How { depth, repair: true, bytes_per_second: 7 };
            assert_eq!(from_request(request(how)).unwrap(), how);
        }
        let unknown = wire::FsckRequest { depth: 9, ..wire::FsckRequest::default() };
        assert!(from_request(unknown).is_err());
    }
}

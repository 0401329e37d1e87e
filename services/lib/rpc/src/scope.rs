//! Namespace and lease as containerd's clients send them: in the request's metadata.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};
use varve_core::{Error, Namespace, Scope};

use crate::status::to_status;

const NAMESPACE: &str = "containerd-namespace";
const LEASE: &str = "containerd-lease";

/// Whom a request is from. Without a namespace it is the default one: some of containerd's own
/// clients, reached through a proxy plugin, send none.
pub fn of<T>(request: &Request<T>) -> Result<Scope, Status> {
    read(request.metadata()).map_err(to_status)
}

/// `message` as a request of `scope`.
pub fn request<T>(scope: &Scope, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert(NAMESPACE, value(scope.namespace.as_str()));
    if let Some(lease) = &scope.lease {
        metadata.insert(LEASE, value(lease));
    }
    request
}

fn read(metadata: &MetadataMap) -> Result<Scope, Error> {
    let namespace = match text(metadata, NAMESPACE)? {
        Some(name) => name.parse()?,
        None => Namespace::default(),
    };
    let lease = text(metadata, LEASE)?.map(str::to_owned);
    Ok(Scope { namespace, lease })
}

fn text<'a>(metadata: &'a MetadataMap, key: &str) -> Result<Option<&'a str>, Error> {
    let Some(value) = metadata.get(key) else { return Ok(None) };
    let text = value.to_str().map_err(|error| {
        Error::invalid(format!("metadata {key}: is no printable ASCII")).with_source(error)
    })?;
    Ok((!text.is_empty()).then_some(text))
}

/// A lease that cannot be a header names none that exists; the server will say so.
fn value(text: &str) -> MetadataValue<tonic::metadata::Ascii> {
    text.parse().unwrap_or_else(|_| MetadataValue::from_static("-not-a-header-value-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_the_trip() {
        let scope = Scope::of("k8s.io".parse().unwrap()).leased("a-lease");
        assert_eq!(of(&request(&scope, ())).unwrap(), scope);
    }

    #[test]
    fn without_metadata_it_is_the_default_namespace() {
        assert_eq!(of(&Request::new(())).unwrap(), Scope::default());
    }

    #[test]
    fn a_namespace_that_could_be_a_path_is_refused() {
        let mut bad = Request::new(());
        bad.metadata_mut().insert(NAMESPACE, MetadataValue::from_static("../x"));
        assert_eq!(of(&bad).unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}

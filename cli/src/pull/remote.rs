//! Where a pull goes to, with the login that Docker's config has for that host.

use varve_core::remotes::Remote;
use varve_core::{Reference, Result};
use varve_registry::DockerConfig;
use varve_registry::docker_config::Found;

use crate::progress;

/// The remote of a reference. A config that cannot be read is an error: to go on without the login
/// would only fail later, and for another reason.
pub fn remote(reference: Reference, plain_http: bool) -> Result<Remote> {
    let credentials = match DockerConfig::load()?.find(reference.domain())? {
        Found::Credential(credential) => vec![credential],
        Found::Helper(helper) => {
            progress::warn(&format!(
                "WARNING: the login for {} is kept by docker-credential-{helper}, which is not asked; \
                 only what stands in Docker's config.json is used",
                reference.domain()
            ));
            Vec::new()
        }
        Found::Nothing => Vec::new(),
    };
    Ok(Remote { plain_http, credentials, ..Remote::anonymous(reference) })
}

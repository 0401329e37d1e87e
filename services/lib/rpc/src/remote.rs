//! A remote, with its logins, to the wire and back.

use varve_core::remotes::{Credential, Login, Remote, Secret};
use varve_core::{Error, Platform, Result};
use varve_proto::varve::types;
use varve_proto::varve::types::credential::Login as WireLogin;

pub(crate) fn remote(remote: &Remote) -> types::Remote {
    types::Remote {
        reference: remote.reference.to_string(),
        plain_http: remote.plain_http,
        credentials: remote.credentials.iter().map(credential).collect(),
    }
}

pub(crate) fn from_remote(wire: Option<types::Remote>) -> Result<Remote> {
    let wire = wire.ok_or_else(|| Error::invalid("the request names no remote"))?;
    Ok(Remote {
        reference: wire.reference.parse()?,
        plain_http: wire.plain_http,
        credentials: wire.credentials.into_iter().map(from_credential).collect::<Result<_>>()?,
    })
}

fn credential(credential: &Credential) -> types::Credential {
    let secret = |secret: &Secret| secret.expose().to_owned();
    let login = match &credential.login {
        Login::Basic { username, password } => WireLogin::Basic(types::Basic {
            username: username.clone(),
            password: secret(password),
        }),
        Login::IdentityToken(token) => WireLogin::IdentityToken(secret(token)),
        Login::RegistryToken(token) => WireLogin::RegistryToken(secret(token)),
    };
    types::Credential { host: credential.host.clone(), login: Some(login) }
}

fn from_credential(wire: types::Credential) -> Result<Credential> {
    let login = match wire.login {
        Some(WireLogin::Basic(basic)) => {
            let password = Secret::new(basic.password);
            Login::Basic { username: basic.username, password }
        }
        Some(WireLogin::IdentityToken(token)) => Login::IdentityToken(Secret::new(token)),
        Some(WireLogin::RegistryToken(token)) => Login::RegistryToken(Secret::new(token)),
        None => {
            return Err(Error::invalid(format!("the credential for {} has no login", wire.host)));
        }
    };
    Ok(Credential { host: wire.host, login })
}

pub(crate) fn platform(platform: &Platform) -> types::Platform {
    let Platform { os, architecture, variant, os_version, os_features } = platform.clone();
    types::Platform { os, architecture, variant, os_version, os_features }
}

pub(crate) fn from_platform(wire: types::Platform) -> Platform {
    let types::Platform { os, architecture, variant, os_version, os_features } = wire;
    Platform { os, architecture, variant, os_version, os_features }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_login_survives_the_trip() {
        let password = Secret::new("p");
        let logins = [
            Login::Basic { username: "u".into(), password },
            Login::IdentityToken(Secret::new("i")),
            Login::RegistryToken(Secret::new("r")),
        ];
        for login in logins {
            let there = Credential { host: "h:5000".into(), login };
            assert_eq!(from_credential(credential(&there)).unwrap(), there);
        }
        assert!(from_credential(types::Credential::default()).is_err());
    }

    #[test]
    fn a_platform_survives_the_trip() {
        let mut there = Platform::new("windows", "amd64", "v2");
        there.os_version = "10.0.1".into();
        there.os_features = vec!["win32k".into()];
        assert_eq!(from_platform(platform(&there)), there);
    }
}

//! Logins as they are printed: whoever prints a request, or what a library logs of one, shows no secret.

use std::fmt;

use crate::varve::types::credential::Login;
use crate::varve::types::{Basic, Credential};

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("host", &self.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
            Self::RegistryToken(_) => "RegistryToken(…)",
        })
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varve::types::Remote;

    #[test]
    fn a_request_with_a_login_is_printed_without_it() {
        let basic = Basic { username: "me".into(), password: "hunter2".into() };
        let logins = [
            Login::Basic(basic),
            Login::IdentityToken("hunter2".into()),
            Login::RegistryToken("hunter2".into()),
        ];
        for login in logins {
            let credential = Credential { host: "h:5000".into(), login: Some(login) };
            let remote = Remote { credentials: vec![credential.clone()], ..Remote::default() };
            for printed in [format!("{remote:?}"), format!("{:?}", credential.login)] {
                assert!(!printed.contains("hunter2"), "{printed}");
            }
            assert!(format!("{remote:?}").contains("h:5000"));
        }
    }
}

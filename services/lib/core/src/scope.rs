//! Who asks: the namespace, and the lease that what is made goes to. An explicit argument, never
//! hidden in a context.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The namespace where none is given.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A name as containerd takes it for namespaces and containers: alphanumeric words joined
/// by single `.`, `_` or `-`, at most 76 bytes. It never is, nor leads out of, a path.
pub fn check_identifier(kind: &str, name: &str) -> Result<()> {
    const MAX: usize = 76;
    let bad = |why: &str| Error::invalid(format!("{kind} {name:?}: {why}"));
    if name.is_empty() {
        return Err(bad("is empty"));
    }
    if name.len() > MAX {
        return Err(bad("is longer than 76 bytes"));
    }
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if !name.split(['.', '_', '-']).all(word) {
        return Err(bad("want letters and digits, joined by single '.', '_' or '-'"));
    }
    Ok(())
}

/// A name that is not shown as what it is not: of images, leases, resources and refs. It may look like a path, and never
/// is one: containerd's clients call a lease by the directory that it is for, or by chance.
pub fn check_name(kind: &str, name: &str) -> Result<()> {
    const MAX: usize = 512;
    let start: String = name.chars().take(64).collect();
    let bad = |why: &str| Err(Error::invalid(format!("{kind} {start:?}: {why}")));
    match name {
        "" => bad("must not be empty"),
        _ if name.len() > MAX => bad("is longer than 512 bytes"),
        _ if name.chars().any(char::is_control) => bad("must not have control characters"),
        _ => Ok(()),
    }
}

/// A checked namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.to_owned())
    }
}

impl FromStr for Namespace {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        check_identifier("namespace", name)?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for Namespace {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Namespace and lease of a request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scope {
    pub namespace: Namespace,
    /// What is created or touched is added to this lease; it must exist.
    pub lease: Option<String>,
}

impl Scope {
    /// A namespace, without a lease.
    pub fn of(namespace: Namespace) -> Self {
        Self { namespace, lease: None }
    }

    /// The same namespace under `lease`.
    pub fn leased(&self, lease: impl Into<String>) -> Self {
        Self { namespace: self.namespace.clone(), lease: Some(lease.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_a_path_is_no_namespace() {
        for good in ["default", "k8s.io", "a-b_c.d", "A1"] {
            assert!(good.parse::<Namespace>().is_ok(), "{good}");
        }
        let long = "a".repeat(77);
        for bad in ["", ".", "..", "a/b", "../x", "-a", "a-", "a..b", "a b", "é", &long] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad}");
        }
    }
}

//! How TLS is spoken with a host where the system's certificates are not all: authorities that are
//! trusted too, a certificate to show, or no verification at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use varve_core::{Digest, Error, Hasher, Result};

/// Bytes of a certificate's file; the largest bundles of authorities have a third of it.
const CAP: u64 = 1 << 20;

/// The files of a host's certificates, and whether its own is looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Paths {
    pub authorities: Vec<PathBuf>,
    /// Certificate and key; without the latter, the key is in the certificate's file.
    pub clients: Vec<(PathBuf, Option<PathBuf>)>,
    pub skip_verify: bool,
}

/// What [`Paths`] led to. Cloning it is cheap.
#[derive(Clone, Default)]
pub(crate) struct Tls(Option<Arc<Inner>>);

struct Inner {
    authorities: Vec<Certificate>,
    identity: Option<Identity>,
    skip_verify: bool,
    /// Of all of it: clients are kept by it.
    key: Digest,
    abroad: Tls,
}

impl Tls {
    /// Reads the files. A certificate or key that cannot be used is InvalidArgument naming its file.
    pub(super) fn read(paths: &Paths) -> Result<Self> {
        if *paths == Paths::default() {
            return Ok(Self::default());
        }
        let mut hasher = Hasher::new();
        let mut authorities = Vec::new();
        for path in &paths.authorities {
            let pem = contents(path)?;
            hasher.update(Digest::of(&pem).as_bytes());
            authorities.extend(certificates(path, &pem)?);
        }
        let abroad = Self::abroad_with(&authorities, hasher.clone().digest());
        let identity = identity(paths, &mut hasher)?;
        let skip_verify = paths.skip_verify;
        hasher.update(&[u8::from(skip_verify)]);
        let key = hasher.digest();
        Ok(Self(Some(Arc::new(Inner { authorities, identity, skip_verify, key, abroad }))))
    }

    fn abroad_with(authorities: &[Certificate], key: Digest) -> Self {
        if authorities.is_empty() {
            return Self::default();
        }
        let authorities = authorities.to_vec();
        let abroad = Self::default();
        Self(Some(Arc::new(Inner { authorities, identity: None, skip_verify: false, key, abroad })))
    }

    /// What holds for the other hosts that this one leads to, as its token server: its authorities
    /// are good there too, but nothing is shown to them, and they are verified.
    pub(crate) fn abroad(&self) -> Self {
        self.0.as_ref().map_or_else(Self::default, |inner| inner.abroad.clone())
    }

    /// The same key means the same setting; `None` is the system's.
    pub(crate) fn key(&self) -> Option<Digest> {
        self.0.as_ref().map(|inner| inner.key)
    }

    /// Adds it to what a client trusts: beside the system's certificates, or (`alone`) without them.
    pub(crate) fn apply(&self, builder: ClientBuilder, alone: bool) -> ClientBuilder {
        let authorities = self.0.as_ref().map_or_else(Vec::new, |inner| inner.authorities.clone());
        let builder = match alone {
            true => builder.tls_certs_only(authorities),
            false => builder.tls_certs_merge(authorities),
        };
        let Some(inner) = &self.0 else { return builder };
        let builder = builder.tls_danger_accept_invalid_certs(inner.skip_verify);
        match &inner.identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.key()).finish()
    }
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    super::read(path, "certificate", CAP)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>> {
    let bad = |why: &str| Error::invalid(format!("certificate {}: {why}", path.display()));
    let found = Certificate::from_pem_bundle(pem).map_err(|_| bad("is no PEM"))?;
    match found.is_empty() {
        true => Err(bad("has no certificate in it")),
        false => Ok(found),
    }
}

/// The certificate to show, and its key.
fn identity(paths: &Paths, hasher: &mut Hasher) -> Result<Option<Identity>> {
    let Some((certificate, key)) = paths.clients.first() else { return Ok(None) };
    let mut pem = contents(certificate)?;
    let key = match key {
        Some(key) => Some(key),
        None => second_half(&paths.clients, &pem),
    };
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend(contents(key)?);
    } else if paths.clients.len() > 1 {
        // A server would choose by their issuers.
        tracing::warn!(?certificate, "of several client certificates only the first is shown");
    }
    hasher.update(Digest::of(&pem).as_bytes());
    check(certificate, key.unwrap_or(certificate), &pem)?;
    Identity::from_pem(&pem).map(Some).map_err(|error| {
        let noun = certificate.display();
        Error::invalid(format!("client certificate {noun}: cannot be used")).with_source(error)
    })
}

/// The second of two files of which the first has no key in it: so people write a pair.
fn second_half<'a>(clients: &'a [(PathBuf, Option<PathBuf>)], first: &[u8]) -> Option<&'a PathBuf> {
    match clients {
        [_, (second, None)] if PrivateKeyDer::from_pem_slice(first).is_err() => Some(second),
        _ => None,
    }
}

/// That there is a certificate and the key that belongs to it: PKCS #8, PKCS #1 or SEC 1.
fn check(certificate: &Path, key: &Path, pem: &[u8]) -> Result<()> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        let noun = certificate.display();
        return Err(Error::invalid(format!("client certificate {noun}: has no certificate in it")));
    }
    let noun = key.display();
    let read = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let what = "has no private key in it that can be read (encrypted ones cannot)";
        Error::invalid(format!("client key {noun}: {what}"))
    })?;
    let unusable =
        |error| Error::invalid(format!("client key {noun}: is of no use here")).with_source(error);
    let signer = any_supported_type(&read).map_err(unusable)?;
    match CertifiedKey::new(chain, signer).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            let other = certificate.display();
            Err(Error::invalid(format!("client key {noun}: is not the key of {other}")))
        }
        // It cannot always be told; then the handshake shows it.
        _ => Ok(()),
    }
}

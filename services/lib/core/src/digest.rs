//! Digests: the distribution digest, the diff id, the chain id, and what computes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// `sha256:` and 64 lower-case hex digits, kept as 32 bytes, so that no digest can name a path.
///
/// Strict (image-spec, descriptor.md, *Digests*): another algorithm, upper case, or another length
/// is refused. sha512, which the specification registers too, no registry serves; it is refused
/// with that reason rather than half supported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest from its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits, without the algorithm: a blob's file name.
    pub fn hex(&self) -> String {
        self.after("")
    }

    /// `prefix` and the hex digits. Of long lists much is digests: no digit passes through a formatter.
    fn after(&self, prefix: &str) -> String {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
        let mut text = String::with_capacity(prefix.len() + 64);
        text.push_str(prefix);
        self.0.iter().for_each(|byte| text.extend([digit(byte >> 4), digit(*byte)]));
        text
    }

    /// The first 12 hex digits, as Docker prints them.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.after("sha256:"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid(format!("digest {text:?}: {why}"));
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| bad("want sha256:<64 hex digits>"))?;
        if algorithm != "sha256" {
            return Err(bad("only sha256 is supported"));
        }
        if hex.len() != 64 {
            return Err(bad("want 64 hex digits"));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]), nibble(pair[1]));
            *byte = high
                .zip(low)
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(|| bad("want lower-case hex digits"))?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.after("sha256:")
    }
}

/// Sha-256 over a stream; copying it gives the digest so far without ending the stream.
#[derive(Clone, Default)]
pub struct Hasher {
    state: Sha256,
    len: u64,
}

impl Hasher {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// Bytes hashed so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has been hashed yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digest of the bytes so far.
    pub fn digest(&self) -> Digest {
        Digest(self.state.clone().finalize().into())
    }
}

/// The digest of a layer's *uncompressed* tar (image-spec, config.md, `rootfs.diff_ids`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The name of a stack of layers (image-spec, config.md, *Layer ChainID*).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

impl ChainId {
    /// The stack made of `parent` and one layer more; the first layer's chain id is its diff id.
    pub fn stack(parent: Option<ChainId>, layer: DiffId) -> Self {
        match parent {
            None => Self(layer.0),
            Some(parent) => Self(Digest::of(format!("{parent} {layer}").as_bytes())),
        }
    }

    /// The chain ids of a whole image, bottom first: one per diff id.
    pub fn chain(layers: &[DiffId]) -> Vec<ChainId> {
        let mut parent = None;
        layers
            .iter()
            .map(|&layer| {
                let chain = Self::stack(parent, layer);
                parent = Some(chain);
                chain
            })
            .collect()
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_back_as_it_was_printed() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn anything_but_sha256_and_64_lower_case_digits_is_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let short = &EMPTY[..70];
        let long = format!("{EMPTY}0");
        let path = "sha256:../../../../../../../../../../../../../../etc/passwd/x/xxxxxxxx";
        for bad in ["", "sha256", "sha256:", "md5:00", "sha512:00", &upper, short, &long, path] {
            let error = bad.parse::<Digest>().unwrap_err();
            assert!(error.message().contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn chain_ids_follow_the_specification() {
        let a = DiffId(Digest::of(b"a"));
        let b = DiffId(Digest::of(b"b"));
        let chain = ChainId::chain(&[a, b]);
        assert_eq!(chain[0].0, a.0);
        assert_eq!(chain[1].0, Digest::of(format!("{} {}", a, b).as_bytes()));
    }

    #[test]
    fn a_hasher_tells_the_digest_so_far() {
        let mut hasher = Hasher::new();
        hasher.update(b"ab");
        assert_eq!(hasher.digest(), Digest::of(b"ab"));
        hasher.update(b"c");
        assert_eq!((hasher.digest(), hasher.len()), (Digest::of(b"abc"), 3));
    }
}

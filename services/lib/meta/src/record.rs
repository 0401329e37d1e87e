//! One record: how a value is framed, and the limits of keys and values.
//!
//! A stored value is `[format u8][crc32 u32, little endian][payload]`. The checksum covers the
//! format, the key and the payload, so that a value found under a key that is not its own is
//! noticed too. Format 1 is the only one.

use varve_core::{Error, Kind, Result};

use crate::fault::Fault;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;

/// The longest value, in bytes. Pages of longer ones would be spilled to files of their own; what
/// is larger belongs into the blob store.
pub const MAX_VALUE: usize = 16 * 1024;

const FORMAT: u8 = 1;
const HEADER: usize = 5;

/// The first byte of keys that belong to this crate.
pub(crate) const RESERVED: u8 = 0;

/// The bytes to store for `payload` under `key`.
pub(crate) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(HEADER + payload.len());
    raw.push(FORMAT);
    raw.extend_from_slice(&checksum(key, payload).to_le_bytes());
    raw.extend_from_slice(payload);
    raw
}

/// The payload of what is stored under `key`; Damaged where it is not what was sealed.
pub(crate) fn unseal<'a>(key: &[u8], raw: &'a [u8]) -> Result<&'a [u8], Fault> {
    let damaged = |why: &str| Fault::Damaged(format!("the record {}: {why}", show(key)));
    let (header, payload) =
        raw.split_at_checked(HEADER).ok_or_else(|| damaged("it is shorter than its header"))?;
    if header[0] != FORMAT {
        return Err(damaged(&format!("unknown format {}", header[0])));
    }
    if header[1..] != checksum(key, payload).to_le_bytes() {
        return Err(damaged("its checksum does not match"));
    }
    Ok(payload)
}

/// What the record adds to the sum over all records: a mix of 64 bits, so that lost, altered and
/// swapped records do not cancel out.
pub(crate) fn fingerprint(key: &[u8], payload: &[u8]) -> u64 {
    let both = u64::from(crc32fast::hash(key)) << 32 | u64::from(checksum(key, payload));
    let mut mixed = both.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Refuses keys that are empty, too long, or this crate's own.
pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    match key.first() {
        None => Err(Error::invalid("a metadata key must not be empty")),
        Some(&RESERVED) => {
            Err(Error::invalid(format!("the metadata key {} is reserved", show(key))))
        }
        Some(_) if key.len() > MAX_KEY => Err(Error::invalid(format!(
            "the metadata key {}… has {} bytes; the limit is {MAX_KEY}",
            show(&key[..64]),
            key.len()
        ))),
        Some(_) => Ok(()),
    }
}

/// Refuses values above [`MAX_VALUE`], naming the key and the size.
pub(crate) fn check_value(key: &[u8], value: &[u8]) -> Result<()> {
    if value.len() <= MAX_VALUE {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidArgument,
        format!(
            "the value of the metadata key {} has {} bytes; the limit is {MAX_VALUE}",
            show(key),
            value.len()
        ),
    ))
}

/// The key as text, for messages.
pub(crate) fn show(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[FORMAT]);
    hasher.update(&(key.len() as u32).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_stored_value_is_noticed() {
        let raw = seal(b"i/alpine", b"sha256:abc");
        assert_eq!(unseal(b"i/alpine", &raw).unwrap(), b"sha256:abc");
        for bit in 0..raw.len() * 8 {
            let mut flipped = raw.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = unseal(b"i/alpine", &flipped).unwrap_err();
            assert!(matches!(error, Fault::Damaged(why) if why.contains("i/alpine")));
        }
    }

    #[test]
    fn a_value_under_another_key_is_damaged() {
        assert!(unseal(b"b", &seal(b"a", b"1")).is_err());
        assert!(unseal(b"ab", &seal(b"a", b"b1")).is_err());
    }

    #[test]
    fn a_value_above_the_limit_is_refused_by_key_and_size() {
        assert!(check_value(b"l/x", &[0; MAX_VALUE]).is_ok());
        let error = check_value(b"l/x", &[0; MAX_VALUE + 1]).unwrap_err();
        assert!(error.message().contains("l/x") && error.message().contains("16385"), "{error}");
    }

    #[test]
    fn empty_long_and_reserved_keys_are_refused() {
        assert!(check_key(b"").is_err());
        assert!(check_key(b"\0state").is_err());
        assert!(check_key(&[b'x'; MAX_KEY + 1]).is_err());
        assert!(check_key(&[b'x'; MAX_KEY]).is_ok());
    }
}

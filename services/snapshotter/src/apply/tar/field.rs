//! The fields of a 512-byte header.

use tar::Header;

/// Whether the sum of all bytes, the checksum's own read as spaces, is what the header says; some
/// old writers summed signed bytes.
pub(super) fn checksum_holds(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let Some(says) = octal(&bytes[148..156]) else { return false };
    let sum = |part: &[u8]| part.iter().map(|&byte| i64::from(byte)).sum::<i64>();
    let unsigned = sum(&bytes[..148]) + sum(&bytes[156..]) + 8 * 32;
    let high = |part: &[u8]| part.iter().filter(|&&byte| byte >= 128).count() as i64;
    let signed = unsigned - 256 * (high(&bytes[..148]) + high(&bytes[156..]));
    says == unsigned || says == signed
}

/// Bytes up to the first NUL.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// A number: octal digits, or base 256 where the first bit is set, two's complement.
pub(super) fn number(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base256(bytes),
        _ => octal(bytes),
    }
}

fn base256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let flip = if negative { 0xff } else { 0 };
    let mut value: u64 = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let byte = (byte ^ flip) & if at == 0 { 0x7f } else { 0xff };
        if value >> 55 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if negative { !value } else { value })
}

/// Octal digits between spaces and NULs; nothing at all is 0. What stands behind a NUL means nothing, but
/// makes a space before that NUL a part of the number, as in Go.
fn octal(bytes: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    let digits = bytes[start..end].split(|&byte| byte == 0).next().unwrap_or(&[]);
    digits.iter().try_fold(0i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

/// The name, with the prefix where the format has one.
pub(super) fn name(header: &Header) -> Vec<u8> {
    let name = text(&header.as_old().name);
    let prefix = prefix(header);
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// The part of a name before its last 100 bytes. Star's is shorter. Go before 1.8 wrote one into
/// headers that call themselves GNU, where times should be: old images have those.
fn prefix(header: &Header) -> &[u8] {
    let bytes = header.as_bytes();
    if &bytes[257..263] == b"ustar\0" {
        let star = &bytes[508..512] == b"tar\0";
        return text(&bytes[345..if star { 345 + 131 } else { 500 }]);
    }
    if let Some(gnu) = header.as_gnu() {
        let time = |field: &[u8]| field[0] == 0 || number(field).is_some();
        if !(time(&gnu.atime) && time(&gnu.ctime)) {
            return Some(text(&bytes[345..500])).filter(|p| p.is_ascii()).unwrap_or(&[]);
        }
    }
    &[]
}

/// Major and minor; the oldest format has none. What is no device has numbers too, which mean nothing, but
/// Go refuses those that are none.
pub(super) fn device(header: &Header) -> Option<(u32, u32)> {
    let bytes = header.as_bytes();
    // "ustar" and anything else behind it is the oldest form, in which these are no numbers.
    if !matches!(&bytes[257..265], [b'u', b's', b't', b'a', b'r', 0, ..] | b"ustar  \0") {
        return Some((0, 0));
    }
    let (major, minor) = (number(&bytes[329..337])?, number(&bytes[337..345])?);
    if !matches!(bytes[156], b'3' | b'4') {
        return Some((0, 0));
    }
    Some((u32::try_from(major).ok()?, u32::try_from(minor).ok()?))
}

/// Links, devices, directories and fifos.
pub(super) fn has_no_body(flag: u8) -> bool {
    (b'1'..=b'6').contains(&flag)
}

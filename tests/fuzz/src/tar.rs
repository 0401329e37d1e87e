//! Archives, as layers and saved images are: the reading of them, without laying anything down.

use std::io::{BufReader, Read};

use varve_snapshotter::apply::{Archive, Cancel, Limits, Member};

/// A member, and what its body has: the bytes that are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub member: Member,
    pub stored: Vec<u8>,
}

/// The bytes are an archive; and they are one once the sums of its headers are right, which a fuzzer does not
/// find by itself.
pub fn tar(data: &[u8]) {
    archive(data);
    archive(&summed(data));
}

/// The same, with a right sum in each block that has a format's magic.
pub fn summed(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    for header in data.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    data
}

fn archive(data: &[u8]) {
    let whole = list(data, 64 << 10);
    if let Ok(members) = &whole {
        members.iter().for_each(|listed| check(listed, data));
    }
    // The size of what is read at once decides nothing.
    assert_eq!(list(data, 513).ok(), whole.as_ref().ok().cloned());
    // Nor does whether anybody looks at the bodies.
    let skimmed = skim(data);
    assert_eq!(skimmed.is_ok(), whole.is_ok(), "{skimmed:?} {:?}", whole.as_ref().err());
    if let (Ok(skimmed), Ok(whole)) = (skimmed, whole) {
        assert!(whole.iter().map(|listed| &listed.member).eq(&skimmed));
    }
}

/// All members with their bodies; why not, where the archive is refused.
pub fn list(data: &[u8], chunk: usize) -> Result<Vec<Listed>, String> {
    let (limits, cancel) = (Limits::default(), Cancel::default());
    let mut archive = Archive::new(BufReader::with_capacity(chunk, data), &limits, &cancel);
    let mut members = Vec::new();
    while let Some(member) = archive.next().map_err(|error| error.to_string())? {
        let mut stored = Vec::new();
        archive.body().read_to_end(&mut stored).map_err(|error| error.to_string())?;
        members.push(Listed { member, stored });
    }
    archive.drain().map_err(|error| error.to_string())?;
    Ok(members)
}

fn skim(data: &[u8]) -> Result<Vec<Member>, String> {
    let (limits, cancel) = (Limits::default(), Cancel::default());
    let mut archive = Archive::new(data, &limits, &cancel);
    let mut members = Vec::new();
    while let Some(member) = archive.next().map_err(|error| error.to_string())? {
        members.push(member);
    }
    Ok(members)
}

/// What is said of a member is what stands in the archive.
fn check(Listed { member, stored }: &Listed, data: &[u8]) {
    let from = usize::try_from(member.offset).unwrap();
    assert_eq!(data.get(from..from + stored.len()), Some(&stored[..]), "{member:?}");
    let Some(extents) = &member.sparse else {
        return assert_eq!(member.size, stored.len() as u64, "{member:?}");
    };
    let mut end = 0;
    for extent in extents {
        assert!(extent.len > 0 && extent.offset >= end, "{member:?}");
        end = extent.offset + extent.len;
    }
    assert!(end <= member.size, "{member:?}");
    assert_eq!(extents.iter().map(|extent| extent.len).sum::<u64>(), stored.len() as u64);
}

//! Sparse files: GNU's old headers, and PAX formats 0.0, 0.1 and 1.0 (GNU tar manual, *Storing
//! Sparse Files*).

use std::io::BufRead;

use tar::Header;

use super::super::{ApplyError, Extent, Limits};
use super::field::number;
use super::input::Input;
use super::pax::{Pax, Sparse, decimal};
use super::{BLOCK, Member};

/// Turns `member` into the sparse file that its headers describe: name, logical size and extents.
pub(super) fn apply<R: BufRead>(
    input: &mut Input<'_, R>,
    header: &Header,
    pax: &Pax,
    member: &mut Member,
    limits: &Limits,
) -> Result<(), ApplyError> {
    if !matches!(member.flag, 0 | b'0' | b'7' | b'S') {
        return Err(input.bad("something that is no file is sparse"));
    }
    let mut map = Map { numbers: Vec::new(), most: 2 * limits.extents };
    let size = match &pax.sparse {
        _ if member.flag == b'S' => old(input, header, &mut map)?,
        Some(sparse) => {
            if let Some(name) = &sparse.name {
                member.name = name.clone();
            }
            modern(input, sparse, &mut map)?
        }
        None => return Ok(()),
    };
    let size = u64::try_from(size).map_err(|_| input.bad("a sparse file's size is negative"))?;
    member.sparse = Some(extents(input, &map.numbers, size)?);
    member.size = size;
    Ok(())
}

/// Offsets and lengths in turn, as read.
struct Map {
    numbers: Vec<i64>,
    most: usize,
}

impl Map {
    fn add<R: BufRead>(&mut self, input: &Input<'_, R>, number: i64) -> Result<(), ApplyError> {
        if self.numbers.len() >= self.most {
            let limit = self.most as u64 / 2;
            return Err(ApplyError::limit("extents", "a sparse file of more extents", limit));
        }
        if number < 0 {
            return Err(input.bad("a sparse map has a negative number"));
        }
        self.numbers.push(number);
        Ok(())
    }
}

/// The old form: four extents in the header, and more in blocks of 21 that stand before the body.
fn old<R: BufRead>(
    input: &mut Input<'_, R>,
    header: &Header,
    map: &mut Map,
) -> Result<i64, ApplyError> {
    let bad = "an old sparse header is malformed";
    let gnu = header.as_gnu().ok_or_else(|| input.bad(bad))?;
    let size = number(&gnu.realsize).ok_or_else(|| input.bad(bad))?;
    let stored = input.left();
    let mut more = gnu.isextended[0];
    table(input, &header.as_bytes()[386..482], map)?;
    let mut block = [0; BLOCK];
    // Any value but 0, as GNU tar and Go have it.
    while more != 0 {
        input.block(&mut block)?;
        more = block[504];
        table(input, &block[..504], map)?;
    }
    input.begin_body(stored);
    Ok(size)
}

/// Pairs of 12-byte numbers up to the first empty one.
fn table<R: BufRead>(input: &Input<'_, R>, bytes: &[u8], map: &mut Map) -> Result<(), ApplyError> {
    for pair in bytes.chunks_exact(24).take_while(|pair| pair[0] != 0) {
        for field in pair.chunks_exact(12) {
            let number = number(field).ok_or_else(|| input.bad("a sparse map has no number"))?;
            map.add(input, number)?;
        }
    }
    Ok(())
}

/// The PAX forms: the map is in the records, or (1.0) in the first blocks of the body. What Go takes for a plain
/// file, having no version, half of one, or no map, is refused; so are two sizes, of which it takes the first.
fn modern<R: BufRead>(
    input: &mut Input<'_, R>,
    sparse: &Sparse,
    map: &mut Map,
) -> Result<i64, ApplyError> {
    let size = match (sparse.size, sparse.realsize) {
        (Some(size), Some(real)) if size != real => {
            return Err(input.bad("a sparse file has two sizes"));
        }
        (size, real) => size.or(real).ok_or_else(|| input.bad("a sparse file has no size"))?,
    };
    match (sparse.major, sparse.minor) {
        (None, None) if sparse.map.is_empty() => {
            return Err(input.bad("a sparse file has neither a version nor a map"));
        }
        (None, None) | (Some(0), Some(0 | 1)) => {
            for number in &sparse.map {
                map.add(input, *number)?;
            }
        }
        (Some(1), Some(0)) => in_body(input, map)?,
        (major, minor) => {
            let part = |part: Option<i64>| part.map_or("?".to_owned(), |part| part.to_string());
            return Err(input.bad(format!("sparse format {}.{}", part(major), part(minor))));
        }
    }
    Ok(size)
}

/// The count of extents, then each offset and length, every number on a line, padded to a block.
fn in_body<R: BufRead>(input: &mut Input<'_, R>, map: &mut Map) -> Result<(), ApplyError> {
    let mut line = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| map.numbers.len() < wanted) {
        for byte in input.read_body(BLOCK)? {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(input.bad("a sparse map has an endless line"));
                }
                continue;
            }
            let number = decimal(&line).map_err(|why| input.bad(format!("sparse map: {why}")))?;
            line.clear();
            match wanted {
                None => wanted = Some(pairs(number, map)?),
                Some(wanted) if map.numbers.len() == wanted => break,
                Some(_) => map.add(input, number)?,
            }
            if wanted == Some(map.numbers.len()) {
                break;
            }
        }
    }
    Ok(())
}

fn pairs(count: i64, map: &Map) -> Result<usize, ApplyError> {
    let most = map.most as i64 / 2;
    if count < 0 || count > most {
        return Err(ApplyError::limit("extents", "a sparse file of more extents", most as u64));
    }
    Ok(2 * count as usize)
}

/// Checks the map: ascending, without overlap, within the file, and exactly the bytes stored.
fn extents<R: BufRead>(
    input: &Input<'_, R>,
    numbers: &[i64],
    size: u64,
) -> Result<Vec<Extent>, ApplyError> {
    let mut extents = Vec::with_capacity(numbers.len() / 2);
    let (mut end, mut stored) = (0u64, 0u64);
    if !numbers.len().is_multiple_of(2) {
        return Err(input.bad("a sparse map has an offset without a length"));
    }
    for pair in numbers.chunks_exact(2) {
        let (offset, len) = (pair[0] as u64, pair[1] as u64);
        if offset < end || offset + len > size {
            return Err(input.bad("a sparse map's extents overlap or leave the file"));
        }
        (end, stored) = (offset + len, stored + len);
        if len > 0 {
            extents.push(Extent { offset, len });
        }
    }
    if stored != input.left() {
        return Err(input.bad("a sparse map does not describe the bytes that are stored"));
    }
    Ok(extents)
}

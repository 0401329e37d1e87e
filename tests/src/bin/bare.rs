//! `bare SOCKET FILE`: answers one client's requests for pieces of a file over a unix socket, with nothing around the
//! bytes, one request at a time: what they cost is what no server of pieces can do without (`just bench reads`).
//!
//! A request has [`REQUEST`] bytes, of which the first are two numbers, little endian: `[OFFSET u64][LENGTH u64]`.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, bail};

/// As many as a request of containerd's client has on the wire.
const REQUEST: usize = 182;
/// Bytes of a stream that are read and sent at once, as the content store does.
const CHUNK: usize = 256 << 10;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(file)) = (args.next(), args.next()) else {
        bail!("usage: bare SOCKET FILE");
    };
    let file = File::open(&file).with_context(|| format!("opening {file}"))?;
    let listener = UnixListener::bind(&socket).with_context(|| format!("listening on {socket}"))?;
    let (mut client, _) = listener.accept()?;
    let (mut request, mut chunk) = ([0; REQUEST], vec![0; CHUNK]);
    loop {
        match client.read_exact(&mut request) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let number = |at: usize| request[at..at + 8].try_into().map(u64::from_le_bytes);
        let (mut offset, mut left) = (number(0)?, number(8)?);
        while left > 0 {
            let most = CHUNK.min(usize::try_from(left)?);
            let read = file.read_at(&mut chunk[..most], offset)?;
            if read == 0 {
                bail!("byte {offset} is asked for, and the file has no more");
            }
            client.write_all(&chunk[..read])?;
            (offset, left) = (offset + read as u64, left - read as u64);
        }
    }
}

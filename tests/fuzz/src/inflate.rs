//! gzip and zstd, as layers are compressed with.

use std::io::{BufReader, Read};

use varve_core::oci::Compression;
use varve_snapshotter::apply::{Limits, inflated, sniff};

/// The bytes as each kind of stream, and as what their beginning says that they are.
pub fn inflate(data: &[u8]) {
    let head = &data[..data.len().min(6)];
    let (_, found) = sniff(head);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let whole = read(compression, data, 128 << 10);
        // The size of what is read at once decides nothing.
        assert_eq!(read(compression, data, 7), whole, "{compression:?}");
        if let (Some(bytes), Compression::Gzip | Compression::Zstd) = (&whole, compression) {
            let sniffed = found == Some(compression);
            assert!(sniffed || data.is_empty() && bytes.is_empty(), "{compression:?} is found");
        }
    }
}

/// All that comes out, where all of it is sound and within the limits.
fn read(compression: Compression, data: &[u8], chunk: usize) -> Option<Vec<u8>> {
    let limits = Limits {
        total_bytes: 256 << 10,
        ratio: 100,
        ratio_floor: 64 << 10,
        window: 8 << 20,
        ..Limits::default()
    };
    let input = BufReader::with_capacity(chunk, data);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; chunk];
    let mut reader = inflated(compression, input, &limits).ok()?;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Some(bytes),
            Ok(len) => bytes.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        // No more than one buffer goes beyond a limit.
        assert!(bytes.len() as u64 <= limits.total_bytes);
        let most = (data.len() as u64 * limits.ratio).max(limits.ratio_floor);
        assert!(bytes.len() as u64 <= most, "{} of {}", bytes.len(), data.len());
    }
}

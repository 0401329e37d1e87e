//! A line that breaks: what goes to a server through it is cut off after so many bytes, so many times.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::Result;

/// A port of the loopback that leads to a server. Its threads end with the process.
pub struct Cutter {
    address: String,
    left: Arc<AtomicU32>,
}

impl Cutter {
    /// To `server`: each of the first `times` connections that carry more than `bytes` to it ends there.
    pub fn start(server: &str, bytes: u64, times: u32) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let left = Arc::new(AtomicU32::new(times));
        let (server, cuts) = (server.to_owned(), left.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is gone is told by the connection that ends.
                let _ = carry(client, &server, bytes, &cuts);
            }
        });
        Ok(Self { address, left })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }
}

fn carry(client: TcpStream, server: &str, bytes: u64, cuts: &Arc<AtomicU32>) -> Result<()> {
    let server = TcpStream::connect(server)?;
    let (from, to, cuts) = (client.try_clone()?, server.try_clone()?, cuts.clone());
    thread::spawn(move || pump(from, to, |carried| carried > bytes && take(&cuts)));
    thread::spawn(move || pump(server, client, |_| false));
    Ok(())
}

/// Carries bytes until an end, or until `cut` says so; then both directions have ended.
fn pump(mut from: TcpStream, mut to: TcpStream, cut: impl Fn(u64) -> bool) {
    let (mut buffer, mut carried) = (vec![0; 64 << 10], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        carried += read as u64;
        if to.write_all(&buffer[..read]).is_err() || cut(carried) {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// One of the cuts, where one is left.
fn take(cuts: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
}

//! What a process that owns a root serves to others: every service, behind one socket.

use std::path::Path;

use varve_rpc::{Address, Served};

use super::Services;

/// The default root of root, and the socket of whoever owns it.
const DEFAULT_ROOT: &str = "/var/lib/varve";
const DEFAULT_SOCKET: &str = "/run/varve/varve.sock";

/// Where whoever owns `root` is reached: each root has a socket of its own.
pub fn address(root: &Path) -> Address {
    match root == Path::new(DEFAULT_ROOT) {
        true => Address::Unix(DEFAULT_SOCKET.into()),
        false => Address::Unix(root.join("varve.sock")),
    }
}

/// All of `services`.
pub fn served(services: &Services) -> Served {
    let mut served = Served::default();
    served.content_store(services);
    served
}

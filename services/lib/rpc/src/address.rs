//! Where a process is reached: a unix socket, or TCP on the loopback.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use varve_core::{Error, Result};

/// An address, as options and configuration files spell it: `unix:///run/varve/varve.sock`, or
/// `http://127.0.0.1:7001`. There is no TLS yet, so TCP is for the loopback alone.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid(format!("address {text:?}: {why}"));
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            let path = PathBuf::from(path);
            return match path.is_absolute() {
                true => Ok(Self::Unix(path)),
                false => {
                    Err(bad("a socket's path is absolute, as in unix:///run/varve/varve.sock"))
                }
            };
        }
        let Some(host) = text.strip_prefix("http://").or(text.strip_prefix("tcp://")) else {
            return Err(bad("want unix:///PATH or http://127.0.0.1:PORT"));
        };
        let host = host.trim_end_matches('/').replace("localhost", "127.0.0.1");
        let tcp: SocketAddr = host.parse().map_err(|_| bad("want an IP address and a port"))?;
        match tcp.ip().is_loopback() {
            true => Ok(Self::Tcp(tcp)),
            false => Err(bad("is not on the loopback; Varve speaks no TLS yet: use an ssh tunnel")),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(tcp) => write!(f, "http://{tcp}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_printed() {
        for text in ["unix:///run/varve/varve.sock", "http://127.0.0.1:7001", "http://[::1]:7001"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("/x.sock".parse::<Address>().unwrap().to_string(), "unix:///x.sock");
        let local = "http://localhost:80/".parse::<Address>().unwrap();
        assert_eq!(local.to_string(), "http://127.0.0.1:80");
    }

    #[test]
    fn what_others_could_listen_to_is_refused() {
        for text in
            ["http://10.0.0.1:80", "http://0.0.0.0:80", "https://127.0.0.1:80", "unix://x", ""]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}

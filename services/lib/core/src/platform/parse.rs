//! A platform as a person writes it: `linux/arm64/v8`, `arm64`, `linux`, `windows(10.0.17763)/amd64`.

use std::str::FromStr;

use super::Platform;
use crate::error::{Error, Result};

const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64", "mips64le",
    "mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64",
    "wasm",
];

impl FromStr for Platform {
    type Err = Error;

    /// Normalised; what is left out is the host's.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|why| Error::invalid(format!("platform {text:?}: {why}")))
    }
}

fn parse(text: &str) -> Result<Platform, &'static str> {
    const LONGEST: usize = 256;
    if text.len() > LONGEST {
        return Err("is longer than 256 bytes");
    }
    let parts: Vec<&str> = text.split('/').collect();
    let (system, rest) = parts.split_first().unwrap_or((&"", &[]));
    let platform = options(system)?;
    if !rest.iter().all(|part| is_word(part)) {
        return Err("want letters, digits, '_', '.' and '-' in each part");
    }
    match rest {
        [] => alone(platform),
        [architecture] => Ok(with(platform, architecture, "")),
        [architecture, variant] => Ok(with(platform, architecture, variant)),
        _ => Err("want OS, ARCH, OS/ARCH or OS/ARCH/VARIANT"),
    }
}

fn with(mut platform: Platform, architecture: &str, variant: &str) -> Platform {
    platform.architecture = architecture.to_owned();
    platform.variant = variant.to_owned();
    platform.normalized()
}

/// `os`, or `os(version+feature+feature)`.
fn options(text: &str) -> Result<Platform, &'static str> {
    let (os, inner) = match text.split_once('(') {
        Some((os, inner)) => (os, inner.strip_suffix(')').ok_or("want ')' after '('")?),
        None => (text, ""),
    };
    let mut inner = inner.split('+');
    let os_version = inner.next().unwrap_or_default().to_owned();
    let os_features: Vec<String> = inner.map(str::to_owned).collect();
    let clean = os_version.is_empty() || is_word(&os_version);
    if !is_word(os) || !clean || !os_features.iter().all(|feature| is_word(feature)) {
        return Err("want letters, digits, '_', '.' and '-' in each part");
    }
    Ok(Platform { os: os.to_owned(), os_version, os_features, ..Platform::default() }.normalized())
}

/// One word: an operating system, or else an architecture.
fn alone(platform: Platform) -> Result<Platform, &'static str> {
    let host = Platform::host();
    if SYSTEMS.contains(&platform.os.as_str()) {
        return Ok(with(platform, &host.architecture, &host.variant));
    }
    let plain = platform.os_version.is_empty() && platform.os_features.is_empty();
    let word = Platform::new(&host.os, &platform.os, "");
    match plain && ARCHITECTURES.contains(&word.architecture.as_str()) {
        true => Ok(word),
        false => Err("unknown operating system or architecture; want for example linux/arm64"),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

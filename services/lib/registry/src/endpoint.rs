//! Hosts and urls: which to dial, and which may follow which.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};
use varve_core::{Error, Result};

/// Where Docker Hub's API is, which its references do not name.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The host to dial for a reference's host.
pub(crate) fn dialed(host: &str) -> &str {
    if host == HUB.0 { HUB.1 } else { host }
}

/// `scheme://host/`, refused where `host` is more or less than a host and a port.
pub(crate) fn base(scheme: &str, host: &str) -> Result<Url> {
    let bad = || Error::invalid(format!("registry host {host:?}: want host or host:port"));
    let url = Url::parse(&format!("{scheme}://{}/", dialed(host))).map_err(|_| bad())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    if !bare || !anonymous || host.contains(['/', '\\', '@', '?', '#']) {
        return Err(bad());
    }
    Ok(url)
}

/// `base` and the segments, each percent-encoded as one.
pub(crate) fn join<'a>(base: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("http urls have a path").clear().extend(segments);
    url
}

/// `scheme://host:port/` of `url`.
pub(crate) fn root(url: &Url) -> Url {
    let mut root = join(url, []);
    root.set_query(None);
    root
}

/// `host:port` as a person reads it, and as limits and tokens are kept by.
pub(crate) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// What a host is called in credentials and by people: its port only where it is not the usual one.
pub(crate) fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None if host == HUB.1 => HUB.0.to_owned(),
        None => host.to_owned(),
    }
}

/// Whether two urls have scheme, host and port in common: what credentials stay within.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

/// This machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

/// An address that only means something on this machine or its link: cloud metadata services
/// (169.254.169.254) are here.
fn is_local(url: &Url) -> bool {
    is_loopback(url)
        || literal(url).is_some_and(|ip| match ip {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified(),
        })
}

/// An address of somebody's own network, or of this machine.
fn is_private(url: &Url) -> bool {
    is_local(url)
        || literal(url).is_some_and(|ip| match ip {
            IpAddr::V4(ip) => ip.is_private() || shared(ip),
            IpAddr::V6(ip) => ip.is_unique_local(),
        })
}

/// 100.64.0.0/10, the carriers' private range (RFC 6598).
fn shared(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 100 && b & 0xc0 == 64
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.to_ipv4_mapped().map_or(ip.into(), IpAddr::from)),
        Host::Domain(_) => None,
    }
}

/// Whether a redirect may lead from `from` to `to`.
pub(crate) fn check_redirect(from: &Url, to: &Url) -> Result<()> {
    let refuse = |why: &str| {
        let (from, to) = (authority(from), authority(to));
        Err(Error::precondition(format!("{from} redirects to {to}, which is refused: {why}")))
    };
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return refuse("it leads from https to http"),
        _ => return refuse("it is neither http nor https"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return refuse("it carries a login");
    }
    if is_local(to) && !is_local(from) {
        return refuse("it leads into this machine or its link");
    }
    Ok(())
}

/// Whether a request for a token may be led from `from` to `to`: no further than a realm may be.
pub(crate) fn check_realm_redirect(from: &Url, to: &Url) -> Result<()> {
    check_redirect(from, to)?;
    if is_private(to) && !is_private(from) {
        let (from, to) = (authority(from), authority(to));
        let why = "it is in a private network, and the token server is not";
        return Err(Error::precondition(format!(
            "{from} redirects to {to}, which is refused: {why}"
        )));
    }
    Ok(())
}

/// Whether `realm` may be asked for tokens for `registry`, and told its credential.
pub(crate) fn check_realm(registry: &Url, realm: &Url) -> Result<()> {
    let refuse = |why: &str| {
        let (registry, realm) = (authority(registry), authority(realm));
        let noun = format!("{registry} names {realm} as its token server");
        Err(Error::precondition(format!("{noun}, which is refused: {why}")))
    };
    match (registry.scheme(), realm.scheme()) {
        (_, "https") | ("http", "http") => {}
        _ => return refuse("it does not speak https"),
    }
    if !realm.username().is_empty() || realm.password().is_some() {
        return refuse("it carries a login");
    }
    if is_private(realm) && !is_private(registry) && registry.host() != realm.host() {
        return refuse("it is in a private network, and the registry is not");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn docker_io_is_dialed_at_its_api() {
        assert_eq!(base("https", "docker.io").unwrap().as_str(), "https://registry-1.docker.io/");
        assert_eq!(base("http", "[::1]:5000").unwrap().as_str(), "http://[::1]:5000/");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "a/b", "u@h", "u:p@h", "h?x", "h#x", "h:x", "h:99999", "a\\b", "a b"] {
            assert!(base("https", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        let joined = join(&url("https://h/"), ["v2", "a/../b", "..", "x?y"]);
        assert_eq!(joined.as_str(), "https://h/v2/a%2F..%2Fb/x%3Fy");
    }

    #[test]
    fn loopback_has_many_names() {
        for yes in [
            "http://localhost:5000",
            "http://127.8.9.1",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(&url(yes)), "{yes}");
        }
        for no in ["http://localhost.example", "http://10.0.0.1", "http://[::2]"] {
            assert!(!is_loopback(&url(no)), "{no}");
        }
    }

    #[test]
    fn a_redirect_never_leads_down_to_http_or_into_this_machine() {
        let public = url("https://registry.example/");
        for bad in [
            "http://registry.example/",
            "ftp://registry.example/",
            "https://u:p@cdn.example/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::ffff:169.254.169.254]/latest",
            "https://localhost/",
        ] {
            assert!(check_redirect(&public, &url(bad)).is_err(), "{bad}");
        }
        assert!(check_redirect(&public, &url("https://cdn.example/x")).is_ok());
        assert!(check_redirect(&url("http://localhost:1/"), &url("http://127.0.0.1:2/")).is_ok());
    }

    #[test]
    fn a_token_server_leads_nowhere_that_it_could_not_be_itself() {
        let public = url("https://auth.example/token");
        for bad in ["https://10.0.0.1/t", "https://[fd00::1]/t", "http://auth.example/t"] {
            assert!(check_realm_redirect(&public, &url(bad)).is_err(), "{bad}");
        }
        assert!(check_realm_redirect(&public, &url("https://other.example/t")).is_ok());
        assert!(check_realm_redirect(&url("https://10.0.0.1/"), &url("https://10.0.0.2/")).is_ok());
    }

    #[test]
    fn a_realm_is_https_and_not_in_a_private_network_of_someone_else() {
        let public = url("https://registry.example/");
        for bad in [
            "http://registry.example/t",
            "https://10.0.0.1/t",
            "https://100.64.1.1/t",
            "https://u@a.example/t",
        ] {
            assert!(check_realm(&public, &url(bad)).is_err(), "{bad}");
        }
        assert!(check_realm(&public, &url("https://auth.example/t")).is_ok());
        assert!(check_realm(&url("https://10.0.0.1/"), &url("https://10.0.0.2/t")).is_ok());
        assert!(check_realm(&url("http://localhost:1/"), &url("http://localhost:2/t")).is_ok());
    }
}

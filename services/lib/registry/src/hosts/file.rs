//! hosts.toml, containerd's file of the hosts of one registry: its mirrors in their order, and at
//! last the server.
//!
//! It is read strictly: a mistake that is passed over would lead around a mirror that somebody put
//! there for a reason.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;
use toml::Table;
use url::Url;
use varve_core::{Error, Result};

use super::keys::Keys;
use super::tls::{Paths, Tls};
use super::{Capabilities, Entry};
use crate::endpoint;

/// The hosts of `text`, with what belongs to none of them (the server's) last.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Entry>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        Error::invalid(format!("{}: line {line}: {}", file.display(), error.message()))
    })?;
    let mut root = Keys::new(file, String::new(), table);
    let mut hosts = Vec::new();
    for (name, value) in root.table("host")? {
        let toml::Value::Table(table) = value else {
            return Err(root.bad(&format!("host.{name:?}"), "want a table"));
        };
        let mut keys = Keys::new(file, format!("host.{name:?}."), table);
        hosts.push(entry(&mut keys, Some(&name), Place::Before)?);
        keys.end();
    }
    let server = root.text("server")?.filter(|server| !server.is_empty());
    hosts.push(entry(&mut root, server.as_deref(), Place::Last)?);
    root.end();
    Ok(hosts)
}

/// Where a host stands among those of its registry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    /// The server: the registry itself, or what stands in for it.
    Last,
}

fn entry(keys: &mut Keys<'_>, name: Option<&str>, place: Place) -> Result<Entry> {
    let exact = keys.flag("override_path")?;
    let api = name.map(|name| api(name, exact).ok_or(name)).transpose().map_err(|name| {
        keys.bad(&format!("{name:?}"), "want http:// or https:// and a host, and no login in it")
    })?;
    let paths = Paths {
        authorities: keys.paths("ca")?,
        clients: keys.pairs("client")?,
        skip_verify: keys.flag("skip_verify")?,
    };
    Ok(Entry {
        api,
        capabilities: capabilities(keys, place)?,
        tls: Tls::read(&paths)?,
        headers: headers(keys)?,
        dial_timeout: dial_timeout(keys)?,
        proxy: proxy(keys)?,
        files: paths.files(),
    })
}

/// The root of the host's API: `/v2`, below the path that the url may have; with `override_path`,
/// exactly that path.
fn api(name: &str, exact: bool) -> Option<Url> {
    let full = if name.contains("://") { name.into() } else { format!("https://{name}") };
    let mut url = Url::parse(&full).ok()?;
    let anonymous = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none() && url.host().is_some();
    if !matches!(url.scheme(), "http" | "https") || !anonymous || !bare {
        return None;
    }
    if let Some(host) = url.host_str().map(|host| endpoint::dialed(host).to_owned()) {
        url.set_host(Some(&host)).ok()?;
    }
    url.path_segments_mut().ok()?.pop_if_empty();
    if !exact && !url.path().ends_with("/v2") {
        url.path_segments_mut().ok()?.push("v2");
    }
    Some(url)
}

/// What the host may be asked for; all of it where nothing is said. But only the server takes pushes
/// unsaid: what is meant for a registry must not end at a mirror because nobody thought of it.
fn capabilities(keys: &mut Keys<'_>, place: Place) -> Result<Capabilities> {
    let key = "capabilities";
    let said = match keys.texts(key)? {
        Some(said) if !said.is_empty() => said,
        _ => return Ok(Capabilities { push: place == Place::Last, ..Capabilities::default() }),
    };
    let mut capabilities = Capabilities { pull: false, resolve: false, push: false };
    for word in said {
        match word.to_lowercase().as_str() {
            "pull" => capabilities.pull = true,
            "resolve" => capabilities.resolve = true,
            "push" => capabilities.push = true,
            _ => return Err(keys.bad(key, format!("{word:?} is none of pull, resolve, push"))),
        }
    }
    Ok(capabilities)
}

/// Headers for this host; they may be secrets, and are never printed.
fn headers(keys: &mut Keys<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in keys.table("header")? {
        let bad = |why: &str| keys.bad(&format!("header.{name}"), why);
        let header: HeaderName = name.parse().map_err(|_| bad("is no name of a header"))?;
        let values = match value {
            toml::Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let text = value.as_str().ok_or_else(|| bad("want a string or a list of strings"))?;
            let mut value = HeaderValue::from_str(text).map_err(|_| bad("fits into no header"))?;
            value.set_sensitive(true);
            headers.append(header.clone(), value);
        }
    }
    Ok(headers)
}

/// In Go's form: `1s`, `500ms`, `1m30s`.
fn dial_timeout(keys: &mut Keys<'_>) -> Result<Option<Duration>> {
    let key = "dial_timeout";
    let Some(text) = keys.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = text.parse().ok().and_then(|read: SignedDuration| Duration::try_from(read).ok());
    match read.filter(|read| !read.is_zero()) {
        Some(read) => Ok(Some(read)),
        None => Err(keys.bad(key, format!("{text:?}: want a time such as 500ms or 2s"))),
    }
}

/// Its host and port, and perhaps a login; SOCKS is not spoken.
fn proxy(keys: &mut Keys<'_>) -> Result<Option<Url>> {
    let key = "proxy";
    let Some(text) = keys.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let known = |url: &Url| matches!(url.scheme(), "http" | "https");
    // The text may have a password in it.
    match Url::parse(&text).ok().filter(|url| bare(url) && known(url)) {
        Some(url) => Ok(Some(url)),
        None => Err(keys.bad(key, "want http:// or https:// and a host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry>> {
        parse(Path::new("/c/h/hosts.toml"), text)
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn hosts_come_in_the_order_of_the_file_and_the_server_last() {
        let text = r#"
            server = "https://up.example"
            [host."https://z.example"]
            capabilities = ["pull"]
            [host."https://z.example".header]
            x-a = ["1", "2"]
            [host."http://a.example:5000/proxy"]
            dial_timeout = "1m30s"
            [host."https://m.example/api/hub"]
            override_path = true
        "#;
        let hosts = read(text).unwrap();
        let urls: Vec<_> = hosts.iter().map(|host| host.api.as_ref().unwrap().as_str()).collect();
        let expected = [
            "https://z.example/v2",
            "http://a.example:5000/proxy/v2",
            "https://m.example/api/hub",
            "https://up.example/v2",
        ];
        assert_eq!(urls, expected);
        let pull = Capabilities { pull: true, resolve: false, push: false };
        assert_eq!(hosts[0].capabilities, pull);
        assert_eq!(hosts[1].capabilities, Capabilities { resolve: true, ..pull });
        assert_eq!(hosts[0].headers.get_all("x-a").iter().count(), 2);
        assert_eq!(hosts[1].dial_timeout, Some(Duration::from_secs(90)));
        assert_eq!(hosts[3].capabilities, Capabilities::default());
    }

    #[test]
    fn without_a_server_the_registry_itself_is_last_and_docker_hub_is_its_api() {
        assert_eq!(read("").unwrap()[0].api, None);
        let hub = read(r#"server = "https://docker.io""#).unwrap().remove(0).api.unwrap();
        assert_eq!(hub.as_str(), "https://registry-1.docker.io/v2");
        let bare = read(r#"server = "h:5000/v2/""#).unwrap().remove(0).api.unwrap();
        assert_eq!(bare.as_str(), "https://h:5000/v2");
    }

    #[test]
    fn a_mistake_is_told_with_its_file_and_key() {
        for (text, told) in [
            ("server = 1", "/c/h/hosts.toml: server: want a string"),
            ("a = \n", "/c/h/hosts.toml: line 1: "),
            ("server = \"https://u:p@h\"", "and no login in it"),
            ("server = \"unix:///x\"", "want http:// or https://"),
            ("[host.\"https://m\"]\ncapabilities = [\"pul\"]", "host.\"https://m\".capabilities: "),
            ("host = 1", "host: want a table"),
            ("[host]\nm = 1", "host.\"m\": want a table"),
            ("skip_verify = \"yes\"", "skip_verify: want true or false"),
            ("dial_timeout = \"soon\"", "dial_timeout: \"soon\""),
            ("dial_timeout = \"-1s\"", "dial_timeout: "),
            ("[header]\n\"a b\" = \"x\"", "header.a b: is no name"),
            ("client = [[\"a\", \"b\", \"c\"]]", "client: want a path"),
            ("proxy = \"socks5://me:pw@h\"", "proxy: want http:// or https:// and a host"),
            ("ca = [1]", "ca: want a string or a list"),
        ] {
            assert!(refused(text).contains(told), "{text}: {}", refused(text));
        }
        assert!(read("ca = \"gone.crt\"").unwrap_err().message().contains("/c/h/gone.crt"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(read("newer = 1\n[host.\"https://m\"]\nnewer = {}").unwrap().len(), 2);
    }
}

//! Debian's docker-registry on a free port of the loopback, and pushing to it by plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use varve_core::{Digest, MediaType};

use crate::image::Content;

/// Who is let in by a registry that is guarded.
pub const USER: &str = "me";
pub const PASSWORD: &str = "hunter2";
/// The two as a htpasswd file has them: bcrypt is the only sort that the registry reads.
const HTPASSWD: &str = "me:$2y$05$varvevarvevarvevarvevuY63BLtSctWz8aXuqmYAqkt//uG/xBt.\n";
/// The two as a request has them. A registry that is open does not look at it.
const AUTHORIZATION: &str = "Basic bWU6aHVudGVyMg==";

/// A registry process with a store of its own; both go with this value.
pub struct Registry {
    address: String,
    process: Child,
    store: TempDir,
}

impl Registry {
    /// Starts one that is open to all; gives up after ten seconds.
    pub fn start() -> Result<Self> {
        Self::with(&free_address()?, false)
    }

    /// The same at `127.0.0.1:port`, which must be free.
    pub fn at(address: &str) -> Result<Self> {
        Self::with(address, false)
    }

    /// One on a free port, but only [`USER`] is let in, with [`PASSWORD`].
    pub fn guarded() -> Result<Self> {
        Self::with(&free_address()?, true)
    }

    fn with(address: &str, guard: bool) -> Result<Self> {
        let store = tempfile::tempdir()?;
        let passwords = store.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD)?;
        let passwords = passwords.display();
        let auth = match guard {
            true => format!("auth:\n  htpasswd: {{realm: registry, path: {passwords}}}\n"),
            false => String::new(),
        };
        let address = address.to_owned();
        let config = store.path().join("config.yml");
        let data = store.path().join("data");
        std::fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
                 delete: {{enabled: true}}\nhttp:\n  addr: {address}\n{auth}",
                data.display()
            ),
        )?;
        let log = std::fs::File::create(store.path().join("log"))?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run docker-registry")?;
        let mut registry = Self { address, process, store };
        registry.wait()?;
        Ok(registry)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the registry wrote: a line a request.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.store.path().join("log"))?)
    }

    /// [`push`] to this one.
    pub fn push(&self, repository: &str, tag: &str, content: &Content) -> Result<()> {
        push(&self.address, repository, tag, content)
    }

    fn wait(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait()? {
                bail!("docker-registry ended at once: {status}\n{}", self.log()?);
            }
            if matches!(request(&self.address, "GET", "/v2/", "", b""), Ok((200, _))) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("docker-registry does not answer:\n{}", self.log()?)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Pushes everything to `repository` of the registry at `address`, and names the last manifest `tag`.
pub fn push(address: &str, repository: &str, tag: &str, content: &Content) -> Result<()> {
    for blob in &content.blobs {
        push_blob(address, repository, blob)?;
    }
    let last = content.manifests.len().saturating_sub(1);
    for (n, (media_type, bytes)) in content.manifests.iter().enumerate() {
        let digest = Digest::of(bytes).to_string();
        let name = if n == last { tag } else { digest.as_str() };
        put(address, &format!("/v2/{repository}/manifests/{name}"), media_type, bytes)?;
    }
    Ok(())
}

fn push_blob(address: &str, repository: &str, bytes: &[u8]) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let (status, location) = request(address, "POST", &path, "", b"")?;
    let location = location.with_context(|| format!("POST {path}: {status}"))?;
    let path = location.strip_prefix(&format!("http://{}", address)).unwrap_or(&location);
    let joint = if path.contains('?') { '&' } else { '?' };
    let octets = MediaType::from("application/octet-stream");
    put(address, &format!("{path}{joint}digest={}", Digest::of(bytes)), &octets, bytes)
}

fn put(address: &str, path: &str, media_type: &MediaType, body: &[u8]) -> Result<()> {
    match request(address, "PUT", path, media_type.as_str(), body)? {
        (201, _) => Ok(()),
        (status, _) => bail!("PUT {path}: status {status}"),
    }
}

/// One request on a connection of its own: status and Location.
fn request(
    address: &str,
    method: &str,
    path: &str,
    media_type: &str,
    body: &[u8],
) -> Result<(u16, Option<String>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nContent-Type: \
         {media_type}\r\nAuthorization: {AUTHORIZATION}\r\nConnection: close\r\n\r\n",
        address,
        body.len()
    )?;
    stream.write_all(body)?;
    let mut lines = BufReader::new(stream.take(64 << 10)).lines();
    let status = lines.next().context("no answer")??;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut location = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(("location", value)) = line
            .split_once(": ")
            .map(|(k, v)| (k.to_ascii_lowercase(), v))
            .as_ref()
            .map(|(k, v)| (k.as_str(), *v))
        {
            location = Some(value.to_owned());
        }
    }
    Ok((status.context("no status")?, location))
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

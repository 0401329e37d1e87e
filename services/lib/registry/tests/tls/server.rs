//! A server that speaks TLS, and openssl, which makes what it shows.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\
    Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n{}";

/// Makes NAME.pem and NAME.key (PKCS #8), which is its own authority.
pub fn certificate(directory: &Path, name: &str) -> bool {
    openssl(
        directory,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj \
             /CN=varve-{name} -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext \
             basicConstraints=critical,CA:FALSE -keyout {name}.key -out {name}.pem"
        ),
    )
}

/// Makes NAME.pem of a key that is here already.
pub fn certificate_of(directory: &Path, name: &str, key: &str) -> bool {
    openssl(
        directory,
        &format!(
            "req -x509 -new -key {key} -days 2 -subj /CN=varve-{name} -addext \
             basicConstraints=critical,CA:FALSE -out {name}.pem"
        ),
    )
}

pub fn openssl(directory: &Path, line: &str) -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(line.split(' ')).current_dir(directory);
    openssl.stdout(Stdio::null()).stderr(Stdio::null());
    openssl.status().is_ok_and(|status| status.success())
}

/// Shows cert.pem and answers every request alike, until the process ends; only those whose
/// certificate is one of `clients`, where there are any.
pub fn serve(directory: &Path, clients: Option<&[&str]>) -> String {
    serve_answer(directory, clients, ANSWER)
}

/// The same with an answer of the caller's own.
pub fn serve_answer(directory: &Path, clients: Option<&[&str]>, text: &str) -> String {
    let read = |name: &str| CertificateDer::from_pem_file(directory.join(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("cert.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(names) => {
            let mut roots = RootCertStore::empty();
            names.iter().for_each(|name| roots.add(read(name)).unwrap());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = builder.with_single_cert(vec![read("cert.pem")], key).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let host = listener.local_addr().unwrap().to_string();
    let text = text.to_owned();
    std::thread::spawn(move || {
        listener.incoming().for_each(|stream| answer(&config, stream, &text));
    });
    host
}

fn answer(config: &Arc<ServerConfig>, stream: std::io::Result<std::net::TcpStream>, text: &str) {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(connection, stream.unwrap());
    if stream.read(&mut [0; 4096]).is_ok() {
        let _ = stream.write_all(text.as_bytes());
        stream.conn.send_close_notify();
    }
    let _ = stream.flush();
    // What the client still had to say is read, or else it would not see the last words.
    let _ = stream.sock.shutdown(std::net::Shutdown::Write);
    let _ = stream.sock.read(&mut [0; 4096]);
}

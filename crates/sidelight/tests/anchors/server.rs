//! A TLS server of one chain. In: PEM files. Out: a port at which every handshake is answered with that chain, then with an empty HTTP
//! response, so that whoever only wants the handshake and whoever wants a page are both content.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

/// A server; it serves until the test ends.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(chain: &Path, key: &Path) -> Self {
        let file = std::fs::File::open(chain).expect("a chain");
        let chain: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(BufReader::new(file)).collect();
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        // The usual way would look at the certificate, and refuse the odd ones.
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key that signs");
        let certified = CertifiedKey::new(chain.expect("PEM"), signer);
        let config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || serve(config, client));
            }
        });
        Self { port }
    }
}

fn serve(config: Arc<ServerConfig>, mut client: TcpStream) {
    let _ = client.set_read_timeout(Some(Duration::from_secs(20)));
    let Ok(mut tls) = ServerConnection::new(config) else { return };
    if tls.complete_io(&mut client).is_err() {
        // The alert tells the client, and the test, what was wrong with its own words.
        let _ = tls.write_tls(&mut client);
        return;
    }
    let mut stream = rustls::Stream::new(&mut tls, &mut client);
    let mut request = [0; 1024];
    if matches!(stream.read(&mut request), Ok(length) if length > 0) {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    tls.send_close_notify();
    let _ = tls.write_tls(&mut client);
}

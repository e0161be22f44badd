//! A peer that comes as a library: hudsucker with its own certificate authority and no handlers. In: an address, a CA, roots. Out: an explicit
//! proxy that opens TLS, until SIGTERM.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use hudsucker::Proxy;
use hudsucker::certificate_authority::RcgenAuthority;
use hudsucker::rcgen::{Issuer, KeyPair};
use hudsucker::rustls::crypto::aws_lc_rs;
use hudsucker::rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Cli {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    /// The folder of ca.pem and ca.key
    #[arg(long)]
    ca: PathBuf,
    /// What services are verified against
    #[arg(long)]
    roots: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let key = KeyPair::from_pem(&std::fs::read_to_string(cli.ca.join("ca.key"))?)?;
    let issuer = Issuer::from_ca_cert_pem(&std::fs::read_to_string(cli.ca.join("ca.pem"))?, key)?;
    let authority = RcgenAuthority::new(issuer, 10_000, aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(&cli.roots)? {
        roots.add(root?)?;
    }
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .build();
    let proxy = Proxy::builder()
        .with_addr(cli.listen)
        .with_ca(authority)
        .with_http_connector(connector)
        .with_graceful_shutdown(async {
            if let Ok(mut term) = signal(SignalKind::terminate()) {
                term.recv().await;
            }
        })
        .build()?;
    Ok(proxy.start().await?)
}

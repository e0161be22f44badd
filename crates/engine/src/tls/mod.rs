//! TLS on both sides: roots and verification, the handshake with the service, our face towards the client, alerts.

pub(crate) mod alert;
mod face;
mod foreseen;
mod roots;
mod service;
mod sessions;
mod verify;

pub(crate) use face::key_for;
pub use face::{Face, FaceError};
pub(crate) use foreseen::{Prepared, Question};
pub use roots::{RootsError, Trusted};
pub use service::{Identities, Identity, Service, ServiceError, Shaken, Wish};
pub(crate) use verify::server_name;
pub use verify::{Verdict, Verifier};

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};

/// The cryptography that all of sidelight uses, with post-quantum key exchange first.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// What the provider cannot lack; it is a constant of this program.
const VERSIONS: &str = "the provider has suites for TLS 1.2 and 1.3";

pub(crate) fn client_builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect(VERSIONS)
}

pub(crate) fn server_builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect(VERSIONS)
}

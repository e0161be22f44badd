//! Sessions with services that can be resumed. In: what the library learns of each. Out: the same, and the key share that is of use to each.
//! Spec: RFC 5246 §7.3, RFC 8446 §2.2 and §4.2.8.

use rustls::NamedGroup;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

/// Services whose sessions are kept at the most.
const MOST: usize = 256;

/// The library's cache. A service that spoke TLS 1.2 looks at no key share, so that the small one is offered to it the next time: the large one costs a
/// tenth of all that is computed for a connection. Offered groups, and with them fingerprints, stay as they are.
#[derive(Debug)]
pub(super) struct Sessions(ClientSessionMemoryCache);

impl Default for Sessions {
    fn default() -> Self {
        Self(ClientSessionMemoryCache::new(MOST))
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_kx_hint(server_name.clone(), NamedGroup::X25519);
        self.0.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server_name)
    }
}

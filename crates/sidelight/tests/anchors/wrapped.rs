//! CAs that trust on first use has adopted: wrapped, so that they speak for a few names only. In: a folder. Out: cases, and which
//! clients accept each.

use std::path::Path;

use sidelight_engine::wrapper::wrap;
use sidelight_model::x509::Certificate;
use sidelight_testkit::pki::{Issuer, Leaf};
use sidelight_wire::pem;

use super::clients::Client;
use super::pki::Case;

/// A case, and who accepts it.
pub(crate) struct Wrapped {
    pub(crate) case: Case,
    pub(crate) accepts: fn(Client) -> bool,
}

/// Every case: allowed names and others, the CA a root that is sent or not, or an intermediate whose root nobody has.
pub(crate) fn cases(folder: &Path) -> Vec<Wrapped> {
    let root = Issuer::root("Scanner Root");
    let below = Issuer::root("Root That Nobody Has").intermediate("Scanner");
    let everyone = |_: Client| true;
    // Java does not keep to name constraints of anchors.
    let java_alone = |client: Client| matches!(client, Client::Java);
    // An intermediate by itself is no end of a chain to OpenSSL, and to those that ask it so.
    let partial = |client: Client| !matches!(client, Client::OpenSsl | Client::Python | Client::Node);
    let make = |name: &str, issuer: &Issuer, sends_root: bool, scope: Option<&str>, accepts| {
        let identity = issuer.issue(&Leaf::named(&["localhost"]));
        let (chain, key) = identity.write_to(folder, name);
        if sends_root {
            std::fs::write(&chain, format!("{}{}", identity.chain_pem, issuer.pem())).expect("a chain");
        }
        let roots = folder.join(format!("{name}-roots.pem"));
        let text = match scope {
            None => issuer.pem().to_owned(),
            Some(scope) => {
                let ca = Certificate::parse(issuer.der()).expect("a CA");
                let now = std::time::SystemTime::now().into();
                let made = wrap(&ca, &scope.parse().expect("a scope"), now).expect("a pair");
                [made.root, made.cross].iter().map(|der| pem::write("CERTIFICATE", der)).collect()
            }
        };
        std::fs::write(&roots, text).expect("roots");
        Wrapped { case: Case { name: name.to_owned(), roots, chain, key }, accepts }
    };
    vec![
        make("allowed", &root, false, Some("localhost"), everyone),
        make("allowed-and-root-sent", &root, true, Some("localhost"), everyone),
        make("other-name", &root, false, Some("other.test"), java_alone),
        make("other-name-and-root-sent", &root, true, Some("other.test"), java_alone),
        make("addresses-only", &root, false, Some("192.0.2.1"), java_alone),
        make("any", &root, false, Some("any"), everyone),
        make("intermediate-wrapped", &below, false, Some("localhost"), everyone),
        make("intermediate-wrapped-other-name", &below, false, Some("other.test"), java_alone),
        make("intermediate-raw", &below, false, None, partial),
    ]
}

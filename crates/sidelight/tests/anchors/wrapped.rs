//! CAs that trust on first use has adopted: wrapped, so that they speak for a few names only. In: a folder. Out: cases, and which
//! clients accept each.

use std::path::Path;

use sidelight_engine::wrapper::{Shape, wrap};
use sidelight_model::x509::Certificate;
use sidelight_testkit::pki::{Issuer, Leaf};
use sidelight_wire::pem;

use super::clients::Client;
use super::pki::{AKI, Case, EC, LEAF, ROOT, Root, Workshop};

/// A case, and who accepts it.
pub(crate) struct Wrapped {
    pub(crate) case: Case,
    pub(crate) accepts: fn(Client) -> bool,
}

fn everyone(_: Client) -> bool {
    true
}

/// Java does not keep to name constraints of anchors.
fn java_alone(client: Client) -> bool {
    matches!(client, Client::Java)
}

/// The pair in place of a CA, as PEM. The shape is the one that the chain needs.
fn pair(ca: &[u8], chain: &Path, scope: &str) -> String {
    let read = Certificate::parse(ca).expect("a CA");
    let (blocks, _) = pem::read(&std::fs::read(chain).expect("a chain"));
    shaped(ca, Shape::needed(&read, blocks.iter().map(|block| block.data.as_slice())), scope)
}

fn shaped(ca: &[u8], shape: Shape, scope: &str) -> String {
    let ca = Certificate::parse(ca).expect("a CA");
    let now = std::time::SystemTime::now().into();
    let made = wrap(&ca, &scope.parse().expect("a scope"), shape, now).expect("a pair");
    [made.root, made.cross].iter().map(|der| pem::write("CERTIFICATE", der)).collect()
}

/// Every case: allowed names and others, the CA a root that is sent or not, or an intermediate whose root nobody has.
pub(crate) fn cases(folder: &Path) -> Vec<Wrapped> {
    let root = Issuer::root("Scanner Root");
    let below = Issuer::root("Root That Nobody Has").intermediate("Scanner");
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
            Some(scope) => pair(issuer.der(), &chain, scope),
        };
        std::fs::write(&roots, text).expect("roots");
        Wrapped { case: Case { name: name.to_owned(), roots, chain, key }, accepts }
    };
    let mut cases = vec![
        make("allowed", &root, false, Some("localhost"), everyone),
        make("allowed-and-root-sent", &root, true, Some("localhost"), everyone),
        make("other-name", &root, false, Some("other.test"), java_alone),
        make("other-name-and-root-sent", &root, true, Some("other.test"), java_alone),
        make("addresses-only", &root, false, Some("192.0.2.1"), java_alone),
        make("any", &root, false, Some("any"), everyone),
        make("intermediate-wrapped", &below, false, Some("localhost"), everyone),
        make("intermediate-wrapped-other-name", &below, false, Some("other.test"), java_alone),
        make("intermediate-raw", &below, false, None, partial),
    ];
    cases.extend(named_by_serial(folder));
    cases
}

/// Leaves, and an intermediate, that name the certificate of their issuer by that one's issuer and serial number.
fn named_by_serial(folder: &Path) -> Vec<Wrapped> {
    // Python from 3.13 wants a key identifier in every certificate but a root.
    let not_strict = |client: Client| !matches!(client, Client::PythonStrict);
    let shop = Workshop { folder };
    let both = "authorityKeyIdentifier=keyid,issuer:always\n";
    let serial = "authorityKeyIdentifier=issuer:always\n";
    let root = |extensions: &str| Root { key: EC, digest: "-sha256", extensions: extensions.to_owned() };
    shop.root("split", &root(ROOT));
    // As `openssl req -x509` makes them where nothing else is asked for, and as older scanners carry them.
    shop.root("split-without-id", &root(&ROOT.replace("subjectKeyIdentifier=hash\n", "subjectKeyIdentifier=none\n")));
    shop.issued("split-middle", "split", &format!("{ROOT}{AKI}"), "-sha256");
    shop.issued("split-middle-by-serial", "split", &format!("{ROOT}{both}"), "-sha256");
    let mut cases = Vec::new();
    let mut make = |name: &str, issuer: &str, ca: &str, aki: &str, sent: &[&str], accepts: fn(Client) -> bool| {
        let leaf = format!("{name}-leaf");
        shop.issued(&leaf, issuer, &format!("{LEAF}{aki}"), "-sha256");
        let (blocks, _) = pem::read(&std::fs::read(folder.join(format!("{ca}.pem"))).expect("a CA"));
        let chain: Vec<&str> = std::iter::once(leaf.as_str()).chain(sent.iter().copied()).collect();
        for (scope, ending, accepts) in [("localhost", "", accepts), ("other.test", "-other-name", java_alone)] {
            let mut case = shop.case(&format!("{name}{ending}"), ca, &chain);
            case.roots = folder.join(format!("{name}{ending}-roots.pem"));
            std::fs::write(&case.roots, pair(&blocks[0].data, &case.chain, scope)).expect("roots");
            cases.push(Wrapped { case, accepts });
        }
    };
    make("by-serial", "split", "split", both, &[], everyone);
    make("by-serial-and-root-sent", "split", "split", both, &["split"], everyone);
    make("by-serial-alone", "split", "split", serial, &[], not_strict);
    make("by-serial-alone-and-root-sent", "split", "split", serial, &["split"], not_strict);
    make("by-serial-without-id", "split-without-id", "split-without-id", serial, &[], not_strict);
    make("middle-by-serial", "split-middle", "split-middle", both, &["split-middle"], everyone);
    make("middle-by-serial-not-sent", "split-middle", "split-middle", both, &[], everyone);
    make("middle-by-serial-alone", "split-middle", "split-middle", serial, &["split-middle"], not_strict);
    let own_name = |client: Client| matches!(client, Client::GnuTls | Client::Go | Client::Rustls);
    make("below-middle-by-serial", "split-middle-by-serial", "split", both, &["split-middle-by-serial"], everyone);
    // What the shape is there for.
    let mut case = shop.case("by-serial-under-own-name", "split", &["by-serial-leaf"]);
    let ca = std::fs::read(&case.roots).expect("a CA");
    case.roots = folder.join("by-serial-under-own-name-roots.pem");
    std::fs::write(&case.roots, shaped(&pem::read(&ca).0[0].data, Shape::OwnName, "localhost")).expect("roots");
    cases.push(Wrapped { case, accepts: own_name });
    cases
}

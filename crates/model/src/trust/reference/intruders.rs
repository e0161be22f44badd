//! Certificates that exist to intercept or that no public list has, by whose they are. In: a certificate. Out: [`Intruder`].
//! Hashes are those of Chromium's blocklist; names are what the products write into their own CA.

use data_encoding::HEXLOWER;

use crate::x509::Certificate;

/// Whose a private or intercepting CA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intruder {
    /// Who made it, for people: `Zscaler, a proxy of companies that opens TLS`.
    pub who: &'static str,
    /// What it is for.
    pub kind: IntruderKind,
}

/// Kinds of CAs that are in no public list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntruderKind {
    /// Known to have been abused, or its private key is public.
    Compromised,
    /// A state's or provider's, to intercept all traffic of a country.
    State,
    /// A company's proxy or a virus scanner.
    Inspection,
    /// A tool of a developer that opens TLS.
    Developer,
    /// A cluster, service mesh or local CA, normal inside its own network.
    Internal,
}

const BY_HASH: &[(&str, IntruderKind, &str)] = &[
    (
        "b6fe9151402bad1c06d7e66db67a26aa7356f2e6c644dbcf9f98968ff632e1b7",
        IntruderKind::Compromised,
        "Superfish, whose private key is public",
    ),
    (
        "0f912fd7be760be25afbc56bdc09cd9e5dcc9c6f6a55a778aefcb6aa30e31554",
        IntruderKind::Compromised,
        "Dell's eDellRoot or DSDTestProvider, whose private key is public",
    ),
    (
        "ec30c9c3065a06bb07dc5b1c6b497f370c1ca65c0f30c08e042ba6bcecc78f2c",
        IntruderKind::Compromised,
        "Dell's eDellRoot or DSDTestProvider, whose private key is public",
    ),
    (
        "91e5cc32910686c5cac25c18cc805696c7b33868c280caf0c72844a2a8eb91e2",
        IntruderKind::Compromised,
        "Sennheiser HeadSetup, whose private key is public",
    ),
    (
        "ddd8ab9178c99cbd9685ea4ae66dc28bfdc9a5a8a166f7f69ad0b5042ad6eb28",
        IntruderKind::Compromised,
        "Sennheiser HeadSetup, whose private key is public",
    ),
    (
        "00309c736dd661da6f1eb24173aa849944c168a43a15bffd192eecfdb6f8dbd2",
        IntruderKind::State,
        "Kazakhstan's Qaznet, made to intercept the country's traffic",
    ),
    (
        "61c0fc2e38b5b6f9071b42cee54a9013d858b6697c68b460948551b3249576a1",
        IntruderKind::State,
        "Kazakhstan's Qaznet, made to intercept the country's traffic",
    ),
    (
        "1df696f021ab1c3ace9a376b07ed7256a40214cd3396d7934087614924e2d7ef",
        IntruderKind::State,
        "Kazakhstan's Qaznet, made to intercept the country's traffic",
    ),
];

/// A part of the subject, in lower case.
const BY_NAME: &[(&str, IntruderKind, &str)] = &[
    ("superfish", IntruderKind::Compromised, "Superfish"),
    ("edellroot", IntruderKind::Compromised, "Dell's eDellRoot"),
    ("dsdtestprovider", IntruderKind::Compromised, "Dell's DSDTestProvider"),
    ("qaznet", IntruderKind::State, "Kazakhstan's Qaznet"),
    ("security certificate kz", IntruderKind::State, "Kazakhstan's Qaznet"),
    ("russian trusted", IntruderKind::State, "the Russian ministry's root"),
    ("zscaler", IntruderKind::Inspection, "Zscaler, a proxy that opens TLS"),
    ("netskope", IntruderKind::Inspection, "Netskope, a proxy that opens TLS"),
    ("goskope", IntruderKind::Inspection, "Netskope, a proxy that opens TLS"),
    ("palo alto", IntruderKind::Inspection, "a Palo Alto firewall that opens TLS"),
    ("fortinet", IntruderKind::Inspection, "a Fortinet firewall that opens TLS"),
    ("fortigate", IntruderKind::Inspection, "a Fortinet firewall that opens TLS"),
    ("sophos", IntruderKind::Inspection, "a Sophos product that opens TLS"),
    ("cisco umbrella", IntruderKind::Inspection, "Cisco Umbrella, a proxy that opens TLS"),
    ("blue coat", IntruderKind::Inspection, "a Blue Coat proxy that opens TLS"),
    ("bluecoat", IntruderKind::Inspection, "a Blue Coat proxy that opens TLS"),
    ("forcepoint", IntruderKind::Inspection, "a Forcepoint proxy that opens TLS"),
    ("websense", IntruderKind::Inspection, "a Forcepoint proxy that opens TLS"),
    ("check point", IntruderKind::Inspection, "a Check Point firewall that opens TLS"),
    ("cyberoam", IntruderKind::Inspection, "a Cyberoam firewall that opens TLS"),
    ("barracuda", IntruderKind::Inspection, "a Barracuda firewall that opens TLS"),
    ("iboss", IntruderKind::Inspection, "iboss, a proxy that opens TLS"),
    ("cloudflare for teams", IntruderKind::Inspection, "Cloudflare Gateway, a proxy that opens TLS"),
    ("gateway ca - cloudflare", IntruderKind::Inspection, "Cloudflare Gateway, a proxy that opens TLS"),
    ("kaspersky", IntruderKind::Inspection, "Kaspersky, a virus scanner that opens TLS"),
    ("avast", IntruderKind::Inspection, "Avast, a virus scanner that opens TLS"),
    ("eset ssl filter", IntruderKind::Inspection, "ESET, a virus scanner that opens TLS"),
    ("bitdefender", IntruderKind::Inspection, "Bitdefender, a virus scanner that opens TLS"),
    ("adguard", IntruderKind::Inspection, "AdGuard, a filter that opens TLS"),
    ("mitmproxy", IntruderKind::Developer, "mitmproxy"),
    ("do_not_trust_fiddler", IntruderKind::Developer, "Fiddler"),
    ("charles proxy", IntruderKind::Developer, "Charles Proxy"),
    ("portswigger", IntruderKind::Developer, "Burp Suite"),
    ("zed attack proxy", IntruderKind::Developer, "OWASP ZAP"),
    ("http toolkit", IntruderKind::Developer, "HTTP Toolkit"),
    ("proxyman", IntruderKind::Developer, "Proxyman"),
    ("polarproxy", IntruderKind::Developer, "PolarProxy"),
    ("mkcert development ca", IntruderKind::Internal, "mkcert, a developer's CA"),
    ("docker sandboxes proxy", IntruderKind::Inspection, "Docker's sandbox, whose proxy opens TLS"),
    ("caddy local authority", IntruderKind::Internal, "Caddy's local CA"),
    ("minikubeca", IntruderKind::Internal, "minikube's CA"),
    ("kubernetes", IntruderKind::Internal, "a Kubernetes cluster's CA"),
    ("k3s-server-ca", IntruderKind::Internal, "a k3s cluster's CA"),
    ("rke2-server-ca", IntruderKind::Internal, "an RKE2 cluster's CA"),
    ("identity.linkerd", IntruderKind::Internal, "Linkerd's trust anchor"),
    ("cluster.local", IntruderKind::Internal, "a service mesh's CA (Istio)"),
    ("consul ca", IntruderKind::Internal, "Consul's CA"),
    ("smallstep", IntruderKind::Internal, "a step-ca"),
];

/// Our own CA, as `engine::ca` makes it.
const OURS: Intruder = Intruder { who: "sidelight itself", kind: IntruderKind::Developer };

/// Whose the certificate is, when its hash or subject tells. A subject can be written by anyone: it is a hint, a hash is a proof.
pub fn intruder(certificate: &Certificate) -> Option<Intruder> {
    let sha256 = certificate.sha256();
    let by_hash = BY_HASH.iter().find(|(hash, ..)| *hash == sha256);
    by_hash.map(|(_, kind, who)| Intruder { who, kind: *kind }).or_else(|| named(certificate))
}

/// As [`intruder_named`]; where the certificate is at hand, the mark in our own CA's name must be that of its key.
fn named(certificate: &Certificate) -> Option<Intruder> {
    let Some(mark) = our_mark(&certificate.subject) else { return intruder_named(&certificate.subject) };
    let key = certificate.subject_key_id.as_deref().map(|id| HEXLOWER.encode(id)).unwrap_or_default();
    key.starts_with(mark).then_some(OURS)
}

/// The mark in the name of a CA that sidelight made: `O=sidelight, CN=sidelight CA 34968e5d`, nothing besides; the mark is the
/// beginning of its key's identifier.
fn our_mark(subject: &str) -> Option<&str> {
    let mark = subject.strip_prefix("O=sidelight, CN=sidelight CA ")?;
    (mark.len() == 8 && mark.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))).then_some(mark)
}

/// Whose a CA of this name is, as far as a name tells.
pub fn intruder_named(subject: &str) -> Option<Intruder> {
    if our_mark(subject).is_some() || subject.starts_with("O=sidelight first use, CN=") {
        return Some(OURS);
    }
    let subject = subject.to_lowercase();
    let found = BY_NAME.iter().find(|(part, ..)| subject.contains(part));
    found.map(|(_, kind, who)| Intruder { who, kind: *kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_ca_is_known_by_its_whole_name() {
        for ours in ["O=sidelight, CN=sidelight CA 34968e5d", "O=sidelight first use, CN=registry.corp"] {
            assert_eq!(intruder_named(ours), Some(OURS), "{ours}");
        }
        for others in [
            "CN=localhost, O=Sidelight Test Peers",
            "O=sidelight, CN=sidelight CA 34968E5D",
            "O=sidelight, CN=sidelight CA 34968e5",
            "O=sidelight, CN=sidelight CA 34968e5d, OU=x",
            "O=Sidelight Ltd, CN=sidelight CA 34968e5d",
            "CN=sidelight.corp",
        ] {
            assert_eq!(intruder_named(others), None, "{others}");
        }
        assert_eq!(intruder_named("O=Zscaler Inc.").map(|it| it.kind), Some(IntruderKind::Inspection));
    }
}

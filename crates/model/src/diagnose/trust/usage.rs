//! Validity, usage and strength of every certificate of the path. In: the faults that the search for paths found. Out: a finding for
//! the first that must change, with the certificate, what it says and what it should say.

use super::super::chain::Climbed;
use super::super::details::Details;
use super::super::facts::Facts;
use super::super::{again, moment};
use crate::finding::{Cause, Finding};
use crate::time::Timestamp;
use crate::x509::Certificate;
use crate::x509::path::{Fault, Found};
use crate::x509::strict::{KeyKind, dotted};

/// Prints every certificate of the file that `--save-chain chain.pem` writes.
const PRINT: &str = "openssl crl2pkcs7 -nocrl -certfile chain.pem | openssl pkcs7 -print_certs -noout -text";

/// Judges dates: the root's, then those of intermediates, then the leaf's.
pub(super) fn outdated(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let dated = |found: &&Found| matches!(found.fault, Fault::Expired(_) | Fault::NotYetValid(_));
    let found = climbed.faults.iter().filter(dated).max_by_key(|found| found.position)?;
    let cert = climbed.path.get(found.position)?;
    let is_root = climbed.anchored && found.position > 0 && found.position + 1 == climbed.path.len();
    Some(match found.position {
        0 => leaf_outdated(facts, cert),
        _ if is_root => root_outdated(facts, cert),
        _ => intermediate_outdated(facts, cert),
    })
}

fn validity(cert: &Certificate) -> String {
    format!("{} to {}", moment(cert.not_before), moment(cert.not_after))
}

fn root_outdated(facts: &Facts, root: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!(
        "{target}: the only path ends at the root `{}`, which is valid from {} to {}",
        root.short_name(),
        root.not_before.date(),
        root.not_after.date()
    );
    let finding =
        Finding::new(Cause::RootExpired, text, "validity of the root", facts.roots.source.clone(), validity(root))
            .with_fix(
                "Let the server use a chain to a root that is valid",
                format!("ask the CA that issued it for the chain that replaces `{}`", root.short_name()),
            );
    finding
        .with_fix("or let the client trust the root that replaced it, in PEM", facts.question.adding.root("ROOT.pem"))
}

fn intermediate_outdated(facts: &Facts, cert: &Certificate) -> Finding {
    let target = &facts.question.target;
    let text = format!(
        "{target}: the intermediate `{}` is valid only from {} to {}",
        cert.short_name(),
        cert.not_before.date(),
        cert.not_after.date()
    );
    Finding::new(Cause::IntermediateExpired, text, "validity of the intermediate", target.to_string(), validity(cert))
        .with_fix(
            "Let the server send the intermediate that replaced it",
            format!("ask the CA for the present certificate of `{}`", cert.short_name()),
        )
}

fn leaf_outdated(facts: &Facts, leaf: &Certificate) -> Finding {
    let target = &facts.question.target;
    let at: Timestamp = facts.question.at;
    let (cause, text) = if at < leaf.not_before {
        (Cause::CertNotYetValid, format!("{target}: the certificate is not valid before {}", moment(leaf.not_before)))
    } else {
        let days = at.since(leaf.not_after).as_secs() / 86_400;
        let ago = if days == 0 { "less than a day ago".to_owned() } else { format!("{days} days ago") };
        (Cause::CertExpired, format!("{target}: the certificate expired on {} ({ago})", leaf.not_after.date()))
    };
    Finding::new(cause, text, "validity", target.to_string(), validity(leaf))
        .with_evidence("time", "judged for", moment(at))
        .with_fix(
            match cause {
                Cause::CertNotYetValid => {
                    "If the clocks are right, let the server use a certificate that is valid already"
                }
                _ => "Renew the server's certificate, and see that the server was reloaded",
            },
            format!("{}   # what the server sends now: `{}`", again(facts, "--showcerts"), leaf.short_name()),
        )
        .with_warning(format!("judged for {}: if that is not now, set this machine's clock instead", moment(at)))
}

/// Judges usage and strength: the fault that the order of causes has first.
pub(super) fn judge(facts: &Facts, climbed: &Climbed) -> Option<Finding> {
    let top = climbed.path.len().saturating_sub(1);
    let cause = |found: &Found| found.fault.cause(found.position, climbed.anchored && found.position == top);
    // Some stacks take a CA as a server; among clients at large others refuse it.
    let leaf = climbed.path.first()?;
    if facts.question.source.is_none() && leaf.is_ca == Some(true) && climbed.path.len() > 1 {
        return Some(Fact { cause: Cause::LeafIsCa, cert: leaf, facts }.leaf_is_ca());
    }
    let first = climbed.faults.iter().filter(|found| !is_of_another(&found.fault)).min_by_key(|found| cause(found))?;
    let cert = climbed.path.get(first.position)?;
    let fact = Fact { cause: cause(first), cert, facts };
    Some(fact.finding(&first.fault, climbed))
}

/// Names and revocation are judged elsewhere, with more than the chain.
const fn is_of_another(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::NameMismatch { .. } | Fault::NoNames { .. } | Fault::Revoked { .. } | Fault::RevocationList(_)
    )
}

/// A fault's cause and whose it is.
struct Fact<'f> {
    cause: Cause,
    cert: &'f Certificate,
    facts: &'f Facts,
}

impl Fact<'_> {
    fn finding(&self, fault: &Fault, climbed: &Climbed) -> Finding {
        match fault {
            Fault::PathLength { allowed, found } | Fault::TooDeep { allowed, found } => {
                self.path_length(*allowed, *found)
            }
            Fault::Constrained { name, by, .. } => self.constrained(name, climbed.path.get(*by)),
            Fault::UnknownCritical(oid) => self.unknown_critical(&dotted(oid)),
            Fault::WeakSignature(digest) => self.weak_signature(digest.name()),
            Fault::WeakKey(kind) => self.weak_key(kind),
            Fault::NotCa { denied: true } => self.not_ca("basicConstraints CA:FALSE"),
            Fault::NotCa { denied: false } => self.not_ca("no basicConstraints"),
            Fault::NoCertSign => self.not_ca("keyUsage without keyCertSign"),
            Fault::LeafIsCa => self.leaf_is_ca(),
            Fault::Purpose { listed } => self.purpose(&listed.join(", ")),
            Fault::UsageNotForTls => self.purpose("keyUsage without anything that TLS needs"),
            other => self.other(&other.code().replace('_', " ")),
        }
    }

    fn about(&self, text: String, what: &str, value: impl Into<String>) -> Finding {
        let target = &self.facts.question.target;
        Finding::new(self.cause, format!("{target}: {text}"), what, format!("{target}: {}", self.cert.subject), value)
    }

    fn path_length(&self, allowed: u32, found: u32) -> Finding {
        let name = self.cert.short_name();
        let text = format!("`{name}` allows {allowed} intermediates below it, and there are {found}");
        self.about(text, "basicConstraints", format!("pathlen:{allowed}")).with_fix(
            "Issue the server's certificate from a CA that may stand so deep, or issue that CA anew",
            format!("basicConstraints = critical,CA:TRUE,pathlen:{found}   # on `{name}`"),
        )
    }

    fn constrained(&self, name: &str, by: Option<&Certificate>) -> Finding {
        let issuer = by.map_or("an issuer", Certificate::short_name);
        let limits = by.and_then(|by| Details::of(by).name_constraints).unwrap_or_default();
        self.about(format!("the name `{name}` lies outside what `{issuer}` may issue for"), "nameConstraints", limits)
            .with_fix(
                "Use a name that the CA may issue for, or a CA without that limit",
                format!("openssl x509 -in ca.pem -noout -ext nameConstraints   # of `{issuer}`"),
            )
    }

    fn unknown_critical(&self, oid: &str) -> Finding {
        let name = self.cert.short_name();
        self.about(
            format!("`{name}` holds a critical extension that clients do not know ({oid})"),
            "critical extension",
            oid,
        )
        .with_fix(
            "Issue the certificate without it, or with it marked as not critical",
            format!("{}\n{PRINT}   # look for {oid} in `{name}`", again(self.facts, "--save-chain chain.pem")),
        )
    }

    fn weak_signature(&self, digest: &str) -> Finding {
        let name = self.cert.short_name();
        self.about(format!("`{name}` is signed with {digest}, which clients no longer accept"), "signature", digest)
            .with_fix(
                "Issue the certificate anew with SHA-256",
                format!("openssl x509 -req -sha256 …   # for `{name}`"),
            )
    }

    fn weak_key(&self, kind: &KeyKind) -> Finding {
        let name = self.cert.short_name();
        let key = Details::of(self.cert).key;
        let text = match kind {
            KeyKind::Rsa { .. } => format!("`{name}` has the key {key}; clients want RSA of 2048 bits or more"),
            _ => format!("`{name}` has a key of a kind that clients do not take ({key})"),
        };
        self.about(text, "key", key).with_fix(
            "Issue the certificate anew with a stronger key",
            format!("openssl ecparam -name prime256v1 -genkey -noout -out new.key   # for `{name}`"),
        )
    }

    fn not_ca(&self, value: &str) -> Finding {
        let name = self.cert.short_name();
        self.about(format!("`{name}` issued a certificate of the chain but is not a CA"), "issuer", value).with_fix(
            "Let the certificate be issued by a CA",
            format!("basicConstraints = critical,CA:TRUE and keyUsage = critical,keyCertSign   # on `{name}`"),
        )
    }

    fn leaf_is_ca(&self) -> Finding {
        self.about("the server's own certificate is a CA certificate".to_owned(), "basicConstraints", "CA:TRUE")
            .with_fix("Issue a certificate for the server that is no CA", "basicConstraints = critical,CA:FALSE")
    }

    fn purpose(&self, listed: &str) -> Finding {
        let name = self.cert.short_name();
        self.about(
            format!("the extended key usage of `{name}` excludes server authentication"),
            "extendedKeyUsage",
            listed,
        )
        .with_fix("Issue the certificate for servers", format!("extendedKeyUsage = serverAuth   # on `{name}`"))
    }

    fn other(&self, words: &str) -> Finding {
        let name = self.cert.short_name();
        self.about(format!("`{name}` is not as clients want it: {words}"), "certificate", words).with_fix(
            "Issue the certificate anew",
            format!("{}\n{PRINT}   # `{name}`", again(self.facts, "--save-chain chain.pem")),
        )
    }
}

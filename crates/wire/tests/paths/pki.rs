//! Certificates made for one case each. In: names, keys, extensions. Out: DER, and the explorer's answer in one word.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Asked, End, Exploration, Profile, Purpose, Question, explore};
use sidelight_wire::certificate::{Extension, ToBeSigned, dns_name, name};
use sidelight_wire::der;

/// The moment of all cases.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

const DAY: i64 = 86_400;
const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
pub(crate) const SERVER_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];

/// A key pair.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn public_key(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 10045, 2, 1]), &der::oid(&[1, 2, 840, 10045, 3, 1, 7])]);
        der::sequence(&[&algorithm, &der::bit_string(self.0.public_key().as_ref())])
    }

    pub(crate) fn id(&self) -> Vec<u8> {
        self.0.public_key().as_ref()[1..21].to_vec()
    }

    pub(crate) fn sign(&self, data: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), data).unwrap().as_ref().to_vec()
    }
}

/// ecdsa-with-SHA256.
pub(crate) fn algorithm() -> Vec<u8> {
    der::sequence(&[&der::oid(&[1, 2, 840, 10045, 4, 3, 2])])
}

/// A Name with one common name.
pub(crate) fn named(text: &str) -> Vec<u8> {
    name(&[(COMMON_NAME, text)])
}

/// A certificate in the making; sound unless changed.
pub(crate) struct Draft {
    pub subject: Vec<u8>,
    pub serial: Vec<u8>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub extensions: Vec<Extension>,
}

impl Draft {
    /// A CA: critical basicConstraints and keyUsage; key identifiers are added when it is signed.
    pub(crate) fn ca(subject: &str, path_length: Option<u8>) -> Self {
        let extensions = vec![Extension::basic_constraints(true, path_length), Extension::key_usage(&[5, 6])];
        Self::with(subject, extensions)
    }

    /// A server's certificate for these host names.
    pub(crate) fn leaf(hosts: &[&str]) -> Self {
        let names: Vec<_> = hosts.iter().map(|host| dns_name(host)).collect();
        Self::leaf_with(&names)
    }

    /// A server's certificate with these GeneralNames.
    pub(crate) fn leaf_with(names: &[Vec<u8>]) -> Self {
        let extensions = vec![
            Extension::key_usage(&[0]),
            Extension::extended_key_usage(&[der::oid(SERVER_AUTH)]),
            Extension::subject_alt_name(names, false),
        ];
        Self::with("the leaf", extensions)
    }

    fn with(subject: &str, extensions: Vec<Extension>) -> Self {
        let serial = vec![0x40, 1 + subject.len() as u8];
        let (from, until) = (NOW.as_secs() - DAY, NOW.as_secs() + DAY);
        let (from, until) = (Timestamp::from_secs(from), Timestamp::from_secs(until));
        Self { subject: named(subject), serial, from, until, extensions }
    }

    pub(crate) fn and(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(crate) fn without(mut self, arcs: &[u64]) -> Self {
        self.extensions.retain(|extension| extension.oid != arcs);
        self
    }

    pub(crate) fn expired(mut self) -> Self {
        self.until = Timestamp::from_secs(NOW.as_secs() - 60);
        self
    }

    pub(crate) fn serial(mut self, serial: &[u8]) -> Self {
        self.serial = serial.to_vec();
        self
    }

    /// Signs it: `issuer` is the name and key of whoever signs.
    pub(crate) fn sign(mut self, key: &Key, issuer: (&str, &Key)) -> Vec<u8> {
        self.extensions.push(Extension::subject_key_id(&key.id()));
        self.extensions.push(Extension::authority_key_id(&issuer.1.id()));
        self.sign_bare(key, issuer)
    }

    /// The same without key identifiers.
    pub(crate) fn sign_bare(self, key: &Key, issuer: (&str, &Key)) -> Vec<u8> {
        let body = ToBeSigned {
            serial: &self.serial,
            issuer: &named(issuer.0),
            subject: &self.subject,
            not_before: self.from,
            not_after: self.until,
            public_key: &key.public_key(),
            extensions: self.extensions,
        };
        body.sign(&algorithm(), |data| Ok::<_, ()>(issuer.1.sign(data))).unwrap()
    }
}

/// A critical extension of any content.
pub(crate) fn extension(oid: &'static [u64], critical: bool, value: Vec<u8>) -> Extension {
    Extension { oid, critical, value }
}

/// Asks with the default rules.
pub(crate) fn ask(chain: &[Vec<u8>], roots: &[Vec<u8>], host: &str) -> Exploration {
    ask_as(chain, roots, host, Profile::Strict)
}

/// Asks with these rules, for every path.
pub(crate) fn ask_as(chain: &[Vec<u8>], roots: &[Vec<u8>], host: &str, profile: Profile) -> Exploration {
    let asked = Asked::parse(host).unwrap();
    explore(&Question {
        chain,
        anchors: &AnchorSet::new(roots.iter().map(Vec::as_slice)),
        crls: &[],
        name: Some(&asked),
        purpose: Purpose::Server,
        now: NOW,
        max_depth: None,
        profile,
        every_path: true,
    })
}

/// `ok`, the end of the nearest path, or its first fault with the position of the certificate.
pub(crate) fn word(exploration: &Exploration) -> String {
    let Some(best) = exploration.best() else { return "unreadable".to_owned() };
    if best.is_good() {
        return "ok".to_owned();
    }
    match (&best.end, best.first_fault()) {
        (End::Anchor, Some(found)) => format!("{} at {}", found.fault.code(), found.position),
        (end, _) => format!("{end:?}").to_lowercase().split([' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

/// A root, an intermediate with these extensions besides, and a leaf: what the explorer says.
pub(crate) fn below(intermediate: Draft, leaf: Draft, host: &str) -> Exploration {
    let (top, middle, bottom) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let issuer = intermediate.sign(&middle, ("root", &top));
    let end = leaf.sign(&bottom, ("middle", &middle));
    ask(&[end, issuer], &[root], host)
}

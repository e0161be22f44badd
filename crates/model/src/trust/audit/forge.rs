//! Certificates and surveys for tests. In: what they should say. Out: DER with a signature that nobody checks, and surveys that hold it.

use crate::time::Timestamp;
use crate::trust::{CertId, Content, Entry, File, Format, KeyFound, Layer, Program, ProgramKind, Store, Survey};

/// The time of all tests: 2026-11-30T00:00:00Z.
pub(in crate::trust) const NOW: Timestamp = Timestamp::from_secs(1_795_996_800);
const DAY: i64 = 86_400;

/// What a certificate says.
#[derive(Clone)]
pub(in crate::trust) struct Draft {
    pub(in crate::trust) subject: Vec<u8>,
    pub(in crate::trust) issuer: Option<Vec<u8>>,
    pub(in crate::trust) v1: bool,
    /// Days from now.
    pub(in crate::trust) from: i64,
    pub(in crate::trust) until: i64,
    /// basicConstraints: critical, CA.
    pub(in crate::trust) basic: Option<(bool, bool)>,
    /// keyUsage's bits.
    pub(in crate::trust) usage: Option<u8>,
    /// extendedKeyUsage's last arc below id-kp.
    pub(in crate::trust) purpose: Option<u8>,
    pub(in crate::trust) dns: Option<&'static str>,
    pub(in crate::trust) constrained: bool,
    pub(in crate::trust) key: Vec<u8>,
    pub(in crate::trust) serial: u8,
}

pub(in crate::trust) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap());
    } else {
        out.push(0x82);
        out.extend(u16::try_from(length).unwrap().to_be_bytes());
    }
    out.extend(content);
    out
}

/// A name of a common name and an organisation.
pub(in crate::trust) fn name(common: &str, organization: &str) -> Vec<u8> {
    let part =
        |arc: u8, text: &str| der(0x31, &[&der(0x30, &[&der(6, &[&[0x55, 4, arc]]), &der(0x0c, &[text.as_bytes()])])]);
    let organization = if organization.is_empty() { Vec::new() } else { part(10, organization) };
    der(0x30, &[&organization, &part(3, common)])
}

/// An RSA key of this many bytes; the modulus begins with `seed`.
pub(in crate::trust) fn rsa(bytes: usize, exponent: &[u8], seed: u8) -> Vec<u8> {
    let mut modulus = vec![0x80 | seed; bytes];
    modulus[bytes - 1] = 0x0b;
    rsa_of(&modulus, exponent)
}

pub(in crate::trust) fn rsa_of(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if modulus[0] & 0x80 == 0 { &[] } else { &[0] };
    let number = der(2, &[sign, modulus]);
    let key = der(0x30, &[&number, &der(2, &[exponent])]);
    let algorithm = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]), &der(5, &[])]);
    der(0x30, &[&algorithm, &der(3, &[&[0], &key])])
}

/// A key on the curve of this object identifier.
pub(in crate::trust) fn ec(curve: &[u8]) -> Vec<u8> {
    let algorithm = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]]), &der(6, &[curve])]);
    der(0x30, &[&algorithm, &der(3, &[&[0, 4], &[7; 64]])])
}

pub(in crate::trust) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

impl Draft {
    /// A sound root.
    pub(in crate::trust) fn root(common: &str) -> Self {
        let seed = common.bytes().fold(1u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) & 0x7f;
        Self {
            subject: name(common, "Example"),
            issuer: None,
            v1: false,
            from: -1000,
            until: 2000,
            basic: Some((true, true)),
            usage: Some(0x06),
            purpose: None,
            dns: None,
            constrained: false,
            key: rsa(256, &[1, 0, 1], seed),
            serial: 1,
        }
    }

    pub(in crate::trust) fn der(&self) -> Vec<u8> {
        let time = |days: i64| {
            let text = Timestamp(NOW.0 + days * DAY * 1_000_000).rfc3339();
            let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
            der(0x18, &[digits.as_bytes(), b"Z"])
        };
        let algorithm = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]]), &der(5, &[])]);
        let version = if self.v1 { Vec::new() } else { der(0xa0, &[&der(2, &[&[2]])]) };
        let extensions = if self.v1 { Vec::new() } else { der(0xa3, &[&der(0x30, &[&self.extensions()])]) };
        let body = der(
            0x30,
            &[
                &version,
                &der(2, &[&[self.serial]]),
                &algorithm,
                self.issuer.as_ref().unwrap_or(&self.subject),
                &der(0x30, &[&time(self.from), &time(self.until)]),
                &self.subject,
                &self.key,
                &extensions,
            ],
        );
        der(0x30, &[&body, &algorithm, &der(3, &[&[0; 33]])])
    }

    fn extensions(&self) -> Vec<u8> {
        let extension = |arc: u8, critical: bool, value: &[u8]| {
            let critical = if critical { der(1, &[&[0xff]]) } else { Vec::new() };
            der(0x30, &[&der(6, &[&[0x55, 0x1d, arc]]), &critical, &der(4, &[value])])
        };
        let mut all = extension(14, false, &der(4, &[&[9; 20]]));
        if let Some((critical, ca)) = self.basic {
            let flag = if ca { der(1, &[&[0xff]]) } else { Vec::new() };
            all.extend(extension(19, critical, &der(0x30, &[&flag])));
        }
        if let Some(bits) = self.usage {
            all.extend(extension(15, true, &der(3, &[&[1, bits]])));
        }
        if let Some(arc) = self.purpose {
            let oid = der(6, &[&[0x2b, 6, 1, 5, 5, 7, 3, arc]]);
            all.extend(extension(37, false, &der(0x30, &[&oid])));
        }
        if let Some(dns) = self.dns {
            all.extend(extension(17, false, &der(0x30, &[&der(0x82, &[dns.as_bytes()])])));
        }
        if self.constrained {
            let permitted = der(0xa0, &[&der(0x30, &[&der(0x82, &[b"example.test"])])]);
            all.extend(extension(30, true, &der(0x30, &[&permitted])));
        }
        all
    }
}

/// A survey that is filled bit by bit.
#[derive(Default)]
pub(in crate::trust) struct Image {
    pub(in crate::trust) survey: Survey,
}

impl Image {
    pub(in crate::trust) fn new() -> Self {
        let survey = Survey {
            source: "app:1".to_owned(),
            layers: vec![Layer { created_by: Some("COPY . /".to_owned()), ..Layer::default() }; 2],
            ..Survey::default()
        };
        Self { survey }
    }

    pub(in crate::trust) fn cert(&mut self, draft: &Draft) -> CertId {
        self.survey.pool.add(&draft.der()).unwrap()
    }

    pub(in crate::trust) fn file(&mut self, path: &str, content: Content) -> &mut File {
        let file =
            File { path: path.to_owned(), layer: Some(0), mode: 0o644, uid: 0, gid: 0, size: 1, sha256: None, content };
        self.survey.files.entry(path.to_owned()).insert_entry(file).into_mut()
    }

    /// A PEM file of these certificates, twenty lines each.
    pub(in crate::trust) fn pem(&mut self, path: &str, drafts: &[&Draft]) -> &mut Store {
        self.store(path, Format::Pem, drafts)
    }

    pub(in crate::trust) fn store(&mut self, path: &str, format: Format, drafts: &[&Draft]) -> &mut Store {
        let ids: Vec<CertId> = drafts.iter().map(|draft| self.cert(draft)).collect();
        let entry = |(index, cert): (usize, CertId)| Entry {
            cert,
            alias: None,
            label: None,
            line: Some(1 + 20 * index),
            offset: None,
            bits: None,
            is_anchor: true,
        };
        let entries = ids.into_iter().enumerate().map(entry).collect();
        let store =
            Store { format, entries, keys: Vec::new(), faults: Vec::new(), readings: Vec::new(), locked: false };
        match &mut self.file(path, Content::Store(store)).content {
            Content::Store(store) => store,
            _ => unreachable!(),
        }
    }

    pub(in crate::trust) fn key(&mut self, path: &str, public_key: Option<Vec<u8>>) {
        let key = KeyFound { form: "PKCS#8".to_owned(), encrypted: false, public_key, line: Some(1), alias: None };
        self.pem(path, &[]).keys.push(key);
    }

    pub(in crate::trust) fn text(&mut self, path: &str, text: &str) {
        self.file(path, Content::Text(text.to_owned()));
    }

    pub(in crate::trust) fn program(&mut self, path: &str, markers: &[&'static str]) -> &mut File {
        let program = Program {
            kind: ProgramKind::Executable,
            markers: markers.to_vec(),
            values: Vec::new(),
            go_modules: Vec::new(),
            known_keys: Vec::new(),
        };
        self.file(path, Content::Program(program, None))
    }

    pub(in crate::trust) fn link(&mut self, path: &str, target: &str) {
        self.survey.links.insert(path.to_owned(), target.to_owned());
    }

    pub(in crate::trust) fn env(&mut self, name: &str, value: &str) {
        self.survey.config.env.push((name.to_owned(), value.to_owned()));
    }
}

//! Certificates read for judging: everything that validation of paths looks at, and everything in them that is not as it must be.
//! In: DER. Out: [`Strict`]. Spec: RFC 5280 §4. Where [`super::Certificate`] passes over what it cannot read, this one tells it.

mod der;
mod extensions;
mod general_name;
mod key;
mod name;
pub(crate) mod oid;
mod revocation_list;
mod time;

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use der::{BIT_STRING, INTEGER, OCTET_STRING, OID, Reader, Result, SEQUENCE, integer, number, only, whole_bits};

pub use der::{Malformed, dotted};
pub use extensions::{AuthorityKey, BasicConstraints, NameConstraints, PolicyConstraints};
pub use general_name::{GeneralName, NameKind};
pub use key::{Curve, Digest, KeyKind, PublicKey, SignatureAlgorithm};
pub use name::Name;
pub use revocation_list::{RevocationList, Revoked};
pub use time::Moment;

/// Most extensions of a certificate.
const MOST_EXTENSIONS: usize = 1024;

/// Bits of keyUsage (RFC 5280 §4.2.1.3).
pub mod usage {
    /// digitalSignature
    pub const DIGITAL_SIGNATURE: u16 = 1;
    /// keyEncipherment
    pub const KEY_ENCIPHERMENT: u16 = 1 << 2;
    /// keyAgreement
    pub const KEY_AGREEMENT: u16 = 1 << 4;
    /// keyCertSign
    pub const CERT_SIGN: u16 = 1 << 5;
    /// cRLSign
    pub const CRL_SIGN: u16 = 1 << 6;
}

/// An extension, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionSeen {
    /// Its OID's content.
    pub oid: Vec<u8>,
    /// Whether those who do not know it must refuse the certificate.
    pub critical: bool,
    /// What is not as it must be in its value.
    pub malformed: Option<Malformed>,
}

/// A signature and what it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it is made.
    pub algorithm: SignatureAlgorithm,
    /// Whether the algorithm inside the signed part is the same.
    pub same_inside: bool,
    /// The signature.
    pub(crate) value: Vec<u8>,
    /// Where the signed part stands in the whole.
    pub(crate) signed: Range<usize>,
}

/// A certificate as validation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strict {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// SHA-256 of the whole.
    pub sha256: [u8; 32],
    /// 1, 2 or 3.
    pub version: u8,
    /// The serial number as found: two's complement, big-endian.
    pub serial: Vec<u8>,
    /// Who issued it.
    pub issuer: Name,
    /// Whom it is about.
    pub subject: Name,
    /// First moment of validity.
    pub not_before: Moment,
    /// Last moment of validity.
    pub not_after: Moment,
    /// The subject's key.
    pub key: PublicKey,
    /// The issuer's signature.
    pub signature: Signature,
    /// Every extension, in order.
    pub extensions: Vec<ExtensionSeen>,
    /// basicConstraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// keyUsage; bits as in [`usage`].
    pub key_usage: Option<u16>,
    /// extendedKeyUsage: contents of OIDs.
    pub purposes: Option<Vec<Vec<u8>>>,
    /// subjectAltName.
    pub names: Option<Vec<GeneralName>>,
    /// nameConstraints.
    pub name_constraints: Option<NameConstraints>,
    /// authorityKeyIdentifier.
    pub authority_key: Option<AuthorityKey>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// certificatePolicies: contents of OIDs.
    pub policies: Option<Vec<Vec<u8>>>,
    /// policyMappings.
    pub policy_mappings: Vec<(Vec<u8>, Vec<u8>)>,
    /// policyConstraints.
    pub policy_constraints: Option<PolicyConstraints>,
    /// inhibitAnyPolicy.
    pub inhibit_any_policy: Option<u32>,
    /// Whether it wants an OCSP response with every handshake (RFC 7633).
    pub must_staple: bool,
    /// Where CRLs can be had.
    pub crl_urls: Vec<String>,
}

impl Strict {
    /// Reads a certificate. What is wrong within an extension is told there; the rest goes on.
    ///
    /// # Errors
    /// When the DER is not that of a certificate.
    pub fn read(der: &[u8]) -> Result<Self> {
        let mut outer = Reader(only(der, SEQUENCE)?.content);
        let signed = outer.expect(SEQUENCE)?;
        let algorithm = outer.expect(SEQUENCE)?;
        let value = whole_bits(outer.expect(BIT_STRING)?.content)?;
        outer.end()?;
        let mut body = Reader(signed.content);
        let version = version(&mut body)?;
        let serial = integer(body.expect(INTEGER)?.content)?.to_vec();
        let inside = body.expect(SEQUENCE)?;
        let issuer = Name::read(body.expect(SEQUENCE)?.whole)?;
        let mut validity = Reader(body.expect(SEQUENCE)?.content);
        let (not_before, not_after) = (time::read(&validity.any()?)?, time::read(&validity.any()?)?);
        validity.end()?;
        let subject = Name::read(body.expect(SEQUENCE)?.whole)?;
        let key = PublicKey::read(body.expect(SEQUENCE)?.whole)?;
        body.optional(0x81)?;
        body.optional(0x82)?;
        let listed = body.optional(0xa3)?;
        body.end()?;
        let start = signed.whole.as_ptr() as usize - der.as_ptr() as usize;
        let mut certificate = Self {
            der: der.to_vec(),
            sha256: Sha256::digest(der).into(),
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            signature: Signature {
                algorithm: SignatureAlgorithm::read(algorithm.whole)?,
                same_inside: algorithm.whole == inside.whole,
                value: value.to_vec(),
                signed: start..start + signed.whole.len(),
            },
            extensions: Vec::new(),
            basic_constraints: None,
            key_usage: None,
            purposes: None,
            names: None,
            name_constraints: None,
            authority_key: None,
            subject_key_id: None,
            policies: None,
            policy_mappings: Vec::new(),
            policy_constraints: None,
            inhibit_any_policy: None,
            must_staple: false,
            crl_urls: Vec::new(),
        };
        if let Some(listed) = listed {
            certificate.read_extensions(only(listed.content, SEQUENCE)?.content)?;
        }
        Ok(certificate)
    }

    fn read_extensions(&mut self, list: &[u8]) -> Result<()> {
        for item in der::all(list, MOST_EXTENSIONS)? {
            let mut seen = extension(item.whole)?;
            seen.0.malformed = self.read_extension(&seen.0.oid, seen.1).err();
            self.extensions.push(seen.0);
        }
        Ok(())
    }

    fn read_extension(&mut self, oid: &[u8], value: &[u8]) -> Result<()> {
        use extensions as read;
        match oid {
            oid::BASIC_CONSTRAINTS => self.basic_constraints = Some(read::basic_constraints(value)?),
            oid::KEY_USAGE => self.key_usage = Some(read::key_usage(value)?),
            oid::EXTENDED_KEY_USAGE => self.purposes = Some(read::purposes(value)?),
            oid::SUBJECT_ALT_NAME => self.names = Some(read::names(value)?),
            oid::ISSUER_ALT_NAME => drop(read::names(value)?),
            oid::NAME_CONSTRAINTS => self.name_constraints = Some(read::name_constraints(value)?),
            oid::AUTHORITY_KEY_ID => self.authority_key = Some(read::authority_key(value)?),
            oid::SUBJECT_KEY_ID => self.subject_key_id = Some(read::subject_key_id(value)?),
            oid::POLICIES => self.policies = Some(read::policies(value)?),
            oid::POLICY_MAPPINGS => self.policy_mappings = read::policy_mappings(value)?,
            oid::POLICY_CONSTRAINTS => self.policy_constraints = Some(read::policy_constraints(value)?),
            oid::INHIBIT_ANY_POLICY => self.inhibit_any_policy = Some(read::inhibit_any_policy(value)?),
            oid::AUTHORITY_INFO | oid::SUBJECT_INFO => read::info_access(value)?,
            oid::TLS_FEATURE => self.must_staple = read::must_staple(value)?,
            oid::CRL_POINTS => self.crl_urls = read::crl_urls(value)?,
            _ => {}
        }
        Ok(())
    }

    /// The extension of this identifier, the first if there are several.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&ExtensionSeen> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// Whether the extension is there and critical.
    pub(crate) fn is_critical(&self, oid: &[u8]) -> bool {
        self.extension(oid).is_some_and(|extension| extension.critical)
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject.is(&self.issuer)
    }

    /// The part that is signed.
    pub(crate) fn signed_part(&self) -> &[u8] {
        self.der.get(self.signature.signed.clone()).unwrap_or_default()
    }

    /// Lower-case hexadecimal SHA-256.
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.sha256)
    }
}

fn version(body: &mut Reader<'_>) -> Result<u8> {
    let Some(tagged) = body.optional(0xa0)? else { return Ok(1) };
    match number(only(tagged.content, INTEGER)?.content)? {
        0 => Err(Malformed("version 1 is written out")),
        number @ 1..=2 => Ok(1 + number as u8),
        _ => Err(Malformed("the version is unknown")),
    }
}

/// An extension and its value, raw.
fn extension(whole: &[u8]) -> Result<(ExtensionSeen, &[u8])> {
    let mut reader = Reader(only(whole, SEQUENCE)?.content);
    let oid = reader.expect(OID)?.content.to_vec();
    let critical = reader.default_false()?;
    let value = reader.expect(OCTET_STRING)?.content;
    reader.end()?;
    Ok((ExtensionSeen { oid, critical, malformed: None }, value))
}

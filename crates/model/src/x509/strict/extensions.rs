//! The extensions that path validation looks at. In: the content of an extension's OCTET STRING. Out: its values. Spec: RFC 5280 §4.2.

use super::der::{
    Element, INTEGER, Malformed, OCTET_STRING, OID, Reader, Result, SEQUENCE, all, integer, named_bits, number, only,
};
use super::general_name::GeneralName;
use super::name::Name;

/// Most names in a list. The names of one certificate have to fit in a TLS handshake.
const MOST_NAMES: usize = 65_536;

/// basicConstraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether it is a CA.
    pub ca: bool,
    /// How many intermediates may follow below it.
    pub path_length: Option<u32>,
}

/// authorityKeyIdentifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityKey {
    /// The issuer's key identifier.
    pub key_id: Option<Vec<u8>>,
    /// Whether the issuer's issuer is named, in whatever form.
    pub has_issuer: bool,
    /// The name of the issuer's issuer.
    pub issuer: Option<Name>,
    /// The issuer's serial number as found: two's complement, big-endian.
    pub serial: Option<Vec<u8>>,
}

/// nameConstraints: names below the CA must lie in `permitted` of their kind, if there are any, and in none of `excluded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Where names may lie.
    pub permitted: Vec<GeneralName>,
    /// Where names may not lie.
    pub excluded: Vec<GeneralName>,
    /// Whether a list is there and empty, or both are missing.
    pub is_hollow: bool,
}

/// policyConstraints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyConstraints {
    /// After so many certificates a policy must be valid.
    pub require_explicit: Option<u32>,
    /// After so many certificates policies are not mapped any more.
    pub inhibit_mapping: Option<u32>,
}

pub(super) fn basic_constraints(value: &[u8]) -> Result<BasicConstraints> {
    let mut reader = Reader(only(value, SEQUENCE)?.content);
    let ca = reader.default_false()?;
    let path_length = reader.optional(INTEGER)?.map(|length| number(length.content)).transpose()?;
    reader.end()?;
    Ok(BasicConstraints { ca, path_length })
}

pub(super) fn key_usage(value: &[u8]) -> Result<u16> {
    named_bits(only(value, super::der::BIT_STRING)?.content)
}

pub(super) fn purposes(value: &[u8]) -> Result<Vec<Vec<u8>>> {
    let list = all(only(value, SEQUENCE)?.content, 1024)?;
    if list.is_empty() {
        return Err(Malformed("the list is empty"));
    }
    list.iter().map(|item| only(item.whole, OID).map(|oid| oid.content.to_vec())).collect()
}

pub(super) fn names(value: &[u8]) -> Result<Vec<GeneralName>> {
    let list = all(only(value, SEQUENCE)?.content, MOST_NAMES)?;
    if list.is_empty() {
        return Err(Malformed("the list is empty"));
    }
    list.iter().map(GeneralName::read).collect()
}

pub(super) fn subject_key_id(value: &[u8]) -> Result<Vec<u8>> {
    Ok(only(value, OCTET_STRING)?.content.to_vec())
}

pub(super) fn authority_key(value: &[u8]) -> Result<AuthorityKey> {
    let mut reader = Reader(only(value, SEQUENCE)?.content);
    let key_id = reader.optional(0x80)?.map(|id| id.content.to_vec());
    let issuer = reader.optional(0xa1)?;
    let serial = reader.optional(0x82)?.map(|serial| integer(serial.content)).transpose()?;
    reader.end()?;
    // Of several names, OpenSSL looks at the first that is a directory's.
    let names = issuer.and_then(|names| all(names.content, MOST_NAMES).ok()).unwrap_or_default();
    let directory = names.iter().filter_map(|name| GeneralName::read(name).ok()).find_map(|name| match name {
        GeneralName::Directory(name) => Some(name),
        _ => None,
    });
    Ok(AuthorityKey { key_id, has_issuer: issuer.is_some(), issuer: directory, serial: serial.map(<[u8]>::to_vec) })
}

pub(super) fn name_constraints(value: &[u8]) -> Result<NameConstraints> {
    let mut reader = Reader(only(value, SEQUENCE)?.content);
    let (permitted, excluded) = (reader.optional(0xa0)?, reader.optional(0xa1)?);
    reader.end()?;
    let hollow = |list: &Option<Element<'_>>| list.is_some_and(|list| list.content.is_empty());
    let is_hollow = hollow(&permitted) || hollow(&excluded) || (permitted.is_none() && excluded.is_none());
    Ok(NameConstraints { permitted: subtrees(permitted)?, excluded: subtrees(excluded)?, is_hollow })
}

fn subtrees(list: Option<Element<'_>>) -> Result<Vec<GeneralName>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let subtree = |item: &Element<'_>| {
        let mut reader = Reader(only(item.whole, SEQUENCE)?.content);
        let base = GeneralName::read(&reader.any()?)?;
        // minimum is 0 and so never written, maximum does not exist (RFC 5280 §4.2.1.10).
        reader.end()?;
        Ok(base)
    };
    all(list.content, MOST_NAMES)?.iter().map(subtree).collect()
}

/// certificatePolicies: their identifiers; qualifiers say nothing to a program.
pub(super) fn policies(value: &[u8]) -> Result<Vec<Vec<u8>>> {
    let list = all(only(value, SEQUENCE)?.content, 1024)?;
    if list.is_empty() {
        return Err(Malformed("the list is empty"));
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    for item in list {
        let mut reader = Reader(only(item.whole, SEQUENCE)?.content);
        let policy = reader.expect(OID)?.content.to_vec();
        reader.optional(SEQUENCE)?;
        reader.end()?;
        if found.contains(&policy) {
            return Err(Malformed("a policy is listed twice"));
        }
        found.push(policy);
    }
    Ok(found)
}

/// policyMappings: from the issuer's policy to the subject's.
pub(super) fn policy_mappings(value: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let list = all(only(value, SEQUENCE)?.content, 1024)?;
    if list.is_empty() {
        return Err(Malformed("the list is empty"));
    }
    let pair = |item: &Element<'_>| {
        let mut reader = Reader(only(item.whole, SEQUENCE)?.content);
        let pair = (reader.expect(OID)?.content.to_vec(), reader.expect(OID)?.content.to_vec());
        reader.end()?;
        Ok(pair)
    };
    list.iter().map(pair).collect()
}

pub(super) fn policy_constraints(value: &[u8]) -> Result<PolicyConstraints> {
    let mut reader = Reader(only(value, SEQUENCE)?.content);
    let require_explicit = reader.optional(0x80)?.map(|skip| number(skip.content)).transpose()?;
    let inhibit_mapping = reader.optional(0x81)?.map(|skip| number(skip.content)).transpose()?;
    reader.end()?;
    if require_explicit.is_none() && inhibit_mapping.is_none() {
        return Err(Malformed("it says nothing"));
    }
    Ok(PolicyConstraints { require_explicit, inhibit_mapping })
}

pub(super) fn inhibit_any_policy(value: &[u8]) -> Result<u32> {
    number(only(value, INTEGER)?.content)
}

/// authorityInfoAccess and subjectInfoAccess: checked for their form alone.
pub(super) fn info_access(value: &[u8]) -> Result<()> {
    let list = all(only(value, SEQUENCE)?.content, 1024)?;
    if list.is_empty() {
        return Err(Malformed("the list is empty"));
    }
    for item in list {
        let mut reader = Reader(only(item.whole, SEQUENCE)?.content);
        reader.expect(OID)?;
        GeneralName::read(&reader.any()?)?;
        reader.end()?;
    }
    Ok(())
}

/// TLS features: whether status_request (5) is among them.
pub(super) fn must_staple(value: &[u8]) -> Result<bool> {
    let list = all(only(value, SEQUENCE)?.content, 1024)?;
    let features = list.iter().map(|item| number(only(item.whole, INTEGER)?.content));
    Ok(features.collect::<Result<Vec<u32>>>()?.contains(&5))
}

/// cRLDistributionPoints: the URIs of all full names.
pub(super) fn crl_urls(value: &[u8]) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    for point in all(only(value, SEQUENCE)?.content, 1024)? {
        let mut reader = Reader(only(point.whole, SEQUENCE)?.content);
        let Some(name) = reader.optional(0xa0)? else { continue };
        for full in all(name.content, 8)?.iter().filter(|name| name.tag == 0xa0) {
            for name in all(full.content, 1024)? {
                if let GeneralName::Uri(uri) = GeneralName::read(&name)? {
                    urls.push(uri);
                }
            }
        }
    }
    Ok(urls)
}

//! Single stores with one certificate more. In: the bytes of a store. Out: its new bytes, or why not.

use sidelight_model::time::Timestamp;

use super::{Anchor, JavaStore, bundle};
use crate::jks;

/// What a store becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds the certificate already.
    Already,
    /// Its new bytes.
    New(Vec<u8>),
}

/// A PEM bundle.
pub(super) fn pem(old: &[u8], anchor: &Anchor, block: &str) -> Result<Outcome, String> {
    if anchor.is_in(old) {
        return Ok(Outcome::Already);
    }
    bundle::with(old, anchor, block).map(Outcome::New)
}

/// A file of lists as edk2 reads them.
pub(super) fn edk2(old: &[u8], anchor: &Anchor) -> Result<Outcome, String> {
    if memchr::memmem::find(old, anchor.der()).is_some() {
        return Ok(Outcome::Already);
    }
    if super::p11kit::edk2_without(old, anchor.der()).is_none() {
        return Err("it does not divide into EFI signature lists".to_owned());
    }
    let list = super::p11kit::edk2(anchor).ok_or("the certificate is too large for it")?;
    Ok(Outcome::New([old, &list].concat()))
}

/// A Java store of any form with a certificate more, under this alias or one like it; `None` when it holds it already.
///
/// # Errors
/// When it is of no known form, damaged, or of another password; one clause for people.
pub fn add_to_java(
    old: &[u8],
    anchor: &Anchor,
    alias: &str,
    password: &str,
    at: Timestamp,
) -> Result<Option<Vec<u8>>, String> {
    let alias = Alias { wished: alias, counted: false };
    match java(old, anchor, &alias, &[password.to_owned()], at)? {
        Outcome::Already => Ok(None),
        Outcome::New(bytes) => Ok(Some(bytes)),
    }
}

/// Names of an anchor in a Java store: the wished one, and one that is free.
pub(super) struct Alias<'a> {
    /// As the distribution's tool would call it.
    pub wished: &'a str,
    /// What p11-kit counts on where a name is taken; else the digits of the SHA-256 are added.
    pub counted: bool,
}

/// A Java store of any form. Each password is tried.
pub(super) fn java(
    old: &[u8],
    anchor: &Anchor,
    alias: &Alias<'_>,
    passwords: &[String],
    at: Timestamp,
) -> Result<Outcome, String> {
    if old.starts_with(&[0xce, 0xce, 0xce, 0xce]) {
        if memchr::memmem::find(old, anchor.der()).is_some() {
            return Ok(Outcome::Already);
        }
        return appended(old, anchor, &anchor.name.to_lowercase(), passwords, at);
    }
    let held = passwords.iter().find_map(|password| JavaStore::trusted(old, password).ok());
    let Some(held) = held else {
        let none = String::new();
        return JavaStore::trusted(old, passwords.first().unwrap_or(&none)).map(|_| Outcome::Already);
    };
    if held.iter().any(|(_, der)| der == anchor.der()) {
        return Ok(Outcome::Already);
    }
    let names: Vec<String> = held.iter().map(|(name, _)| name.to_lowercase()).collect();
    let alias = free(alias, anchor, &names);
    if old.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return appended(old, anchor, &alias, passwords, at);
    }
    let mut refused = "no password was given".to_owned();
    for password in passwords {
        match JavaStore::read(old, password) {
            Ok(mut store) => {
                store.add(&alias, anchor.der(), at);
                return store.write(password).map(Outcome::New);
            }
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

fn free(alias: &Alias<'_>, anchor: &Anchor, names: &[String]) -> String {
    let wished = alias.wished.to_lowercase();
    if !names.contains(&wished) {
        return wished;
    }
    if alias.counted {
        let numbered = (1..100).map(|number| format!("{wished}-{number}")).find(|name| !names.contains(name));
        if let Some(name) = numbered {
            return name;
        }
    }
    format!("{wished}-{}", &anchor.sha256)
}

fn appended(old: &[u8], anchor: &Anchor, alias: &str, passwords: &[String], at: Timestamp) -> Result<Outcome, String> {
    let mut refused = "no password was given".to_owned();
    for password in passwords {
        match jks::append(old, password, alias, at, anchor.der()) {
            Ok(bytes) => return Ok(Outcome::New(bytes)),
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}

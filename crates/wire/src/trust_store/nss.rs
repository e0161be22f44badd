//! NSS's `cert9.db`. In: the bytes of the SQLite file. Out: its certificates with their trust. Spec: NSS's `sdb.c`: a row is a PKCS#11
//! object, a column `a` and the attribute's number in hexadecimal. Numbers of the vendor: `pkcs11n.h`.

use std::collections::HashMap;

use rusqlite::{Connection, MAIN_DB};
use sidelight_model::trust::{Format, TrustBits};

use super::{Draft, Place};

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Steps of SQLite's machine after which reading stops, in thousands: a sound database takes some hundred.
const MAX_STEPS: usize = 20_000;

/// Most rows that are read of each kind.
const LIMIT: u32 = 5_000;

/// CKT_NSS_TRUSTED, CKT_NSS_TRUSTED_DELEGATOR, CKT_NSS_NOT_TRUSTED.
const TRUSTED: u32 = 0xce53_4351;
const TRUSTED_DELEGATOR: u32 = 0xce53_4352;
const NOT_TRUSTED: u32 = 0xce53_435a;

/// The columns of trust for a purpose, and the purpose.
const PURPOSES: &[(&str, &str)] = &[
    ("ace536358", "1.3.6.1.5.5.7.3.1"),
    ("ace536359", "1.3.6.1.5.5.7.3.2"),
    ("ace53635a", "1.3.6.1.5.5.7.3.3"),
    ("ace53635b", "1.3.6.1.5.5.7.3.4"),
];

const CERTIFICATES: &str = "SELECT a11, a3 FROM nssPublic WHERE a0 = x'00000001' LIMIT ?1";
const TRUST: &str =
    "SELECT ace5363b4, ace536358, ace536359, ace53635a, ace53635b FROM nssPublic WHERE a0 = x'ce534353' LIMIT ?1";

/// Whether it is an SQLite file that has NSS's table.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) && memchr::memmem::find(bytes, b"nssPublic").is_some()
}

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Option<Format> {
    let rows = open(bytes).and_then(|database| Ok((certificates(&database)?, trust(&database).unwrap_or_default())));
    match rows {
        Ok((certificates, trust)) => {
            for (der, label) in certificates {
                let bits = trust.get(&sha1(&der)).cloned();
                let server = PURPOSES.first().map(|(_, purpose)| *purpose).unwrap_or_default();
                let trusted = bits.as_ref().and_then(|bits: &TrustBits| bits.trusted.as_ref());
                let no_anchor = !trusted.is_some_and(|purposes| purposes.iter().any(|purpose| purpose == server));
                draft.certificate(&der, Place { alias: label, bits, no_anchor, ..Place::default() });
            }
        }
        Err(error) => draft.fault(format!("the database cannot be read: {error}"), None, None),
    }
    Some(Format::NssDb)
}

fn open(bytes: &[u8]) -> rusqlite::Result<Connection> {
    let mut bytes = bytes.to_vec();
    // In memory there is no log to write ahead to: a database in that mode is read as one that is not.
    if let Some([read, write]) = bytes.get_mut(18..20) {
        (*read, *write) = (1, 1);
    }
    let mut database = Connection::open_in_memory()?;
    database.deserialize_read_exact(MAIN_DB, bytes.as_slice(), bytes.len(), true)?;
    database.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")?;
    let mut steps = 0;
    database.progress_handler(
        1_000,
        Some(move || {
            steps += 1;
            steps > MAX_STEPS
        }),
    )?;
    Ok(database)
}

fn certificates(database: &Connection) -> rusqlite::Result<Vec<(Vec<u8>, Option<String>)>> {
    let mut statement = database.prepare(CERTIFICATES)?;
    let rows = statement.query_map([LIMIT], |row| {
        let label: Option<Vec<u8>> = row.get(1).unwrap_or_default();
        Ok((row.get(0)?, label.map(|label| String::from_utf8_lossy(&label).into_owned())))
    })?;
    rows.collect()
}

/// What is trusted for what, by the SHA-1 of the certificate.
fn trust(database: &Connection) -> rusqlite::Result<HashMap<Vec<u8>, TrustBits>> {
    let mut statement = database.prepare(TRUST)?;
    let rows = statement.query_map([LIMIT], |row| {
        let hash: Vec<u8> = row.get(0)?;
        let mut bits = TrustBits { trusted: Some(Vec::new()), ..TrustBits::default() };
        for (index, (_, purpose)) in PURPOSES.iter().enumerate() {
            let value: Vec<u8> = row.get(index + 1).unwrap_or_default();
            match value.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)) {
                TRUSTED | TRUSTED_DELEGATOR => bits.trusted.get_or_insert_default().push((*purpose).to_owned()),
                NOT_TRUSTED => bits.rejected.push((*purpose).to_owned()),
                _ => {}
            }
        }
        bits.distrusted =
            bits.rejected.iter().any(|purpose| Some(purpose.as_str()) == PURPOSES.first().map(|(_, p)| *p));
        Ok((hash, bits))
    })?;
    rows.collect()
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    use sha1::Digest as _;
    sha1::Sha1::digest(bytes).to_vec()
}

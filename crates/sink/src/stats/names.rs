//! Rows of a recording by their numbers: names of services, certificates. In: numbers. Out: what they stand for.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use sidelight_model::time::Timestamp;

use super::CertificateUse;

/// A service: the row of its host, and its port.
pub(super) type Key = (Option<i64>, Option<u16>);

/// The host of a service, and the host with the port.
pub(super) fn name_of(db: &Connection, (host, port): Key) -> rusqlite::Result<(String, String)> {
    let Some(host) = host else { return Ok((String::new(), "unknown destination".to_owned())) };
    let found: Option<String> =
        db.prepare_cached("SELECT name FROM host WHERE id = ?1")?.query_row([host], |row| row.get(0)).optional()?;
    let host = found.unwrap_or_default();
    let name = match port {
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    Ok((host, name))
}

/// A certificate, as far as its row tells.
pub(super) fn certificate(db: &Connection, id: i64) -> rusqlite::Result<Option<CertificateUse>> {
    let sql = "SELECT sha256, subject, issuer, not_before, not_after FROM certificate WHERE id = ?1";
    let found = db.prepare_cached(sql)?.query_row([id], |row| {
        let time = |n: usize| row.get::<_, Option<i64>>(n).map(|it| it.map(Timestamp));
        let words = |n: usize| row.get::<_, Option<String>>(n).map(|it| it.unwrap_or_else(|| "unreadable".to_owned()));
        Ok(CertificateUse {
            sha256: data_encoding::HEXLOWER.encode(&row.get::<_, Vec<u8>>(0)?),
            subject: words(1)?,
            issuer: words(2)?,
            not_before: time(3)?,
            not_after: time(4)?,
            is_leaf: false,
            connections: 0,
            services: BTreeSet::new(),
        })
    });
    found.optional()
}

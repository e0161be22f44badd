//! What many connections have in common, kept once. In: names, processes, hellos, TLS sides, certificates. Out: row IDs.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, params};
use sidelight_model::flow::{Hello, Process, TlsSide};
use sidelight_model::x509::Certificate;

use super::document::json;
use super::latin1;

/// Entries that each cache holds before it is emptied.
const MOST: usize = 20_000;

/// Which table of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Names {
    Host,
    Site,
    Method,
    ContentType,
}

/// Finds and makes rows that are kept once. Its memory is only valid while nothing is rolled back.
#[derive(Default)]
pub(super) struct Interner {
    names: [HashMap<String, i64>; 4],
    rows: HashMap<[u8; 32], i64>,
    /// By the address of the shared value, which is kept alive for as long as it stands here.
    sides: HashMap<usize, (Arc<TlsSide>, i64)>,
}

impl Interner {
    /// Forgets everything: after a rollback its rows may not exist.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The row of a name.
    pub(super) fn name(&mut self, db: &Connection, names: Names, text: &str) -> rusqlite::Result<i64> {
        let known = &mut self.names[names as usize];
        if let Some(id) = known.get(text) {
            return Ok(*id);
        }
        let find = match names {
            Names::Host => "SELECT id FROM host WHERE name = ?1",
            Names::Site => "SELECT id FROM site WHERE prefix = ?1",
            Names::Method => "SELECT id FROM method WHERE name = ?1",
            Names::ContentType => "SELECT id FROM content_type WHERE value = ?1",
        };
        let found = db.prepare_cached(find)?.query_row([text], |row| row.get(0)).optional()?;
        let id = match (found, names) {
            (Some(id), _) => id,
            (None, Names::Host) => insert(db, "INSERT INTO host (name) VALUES (?1)", params![text])?,
            (None, Names::Site) => insert(db, "INSERT INTO site (prefix) VALUES (?1)", params![text])?,
            (None, Names::Method) => insert(db, "INSERT INTO method (name) VALUES (?1)", params![text])?,
            (None, Names::ContentType) => {
                let media = media_type(text);
                insert(db, "INSERT INTO content_type (value, media_type) VALUES (?1, ?2)", params![text, media])?
            }
        };
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(text.to_owned(), id);
        Ok(id)
    }

    /// The row of a local program.
    pub(super) fn process(&mut self, db: &Connection, it: &Process) -> rusqlite::Result<i64> {
        let key = key(&(it.pid, &it.name, &it.exe, &it.container));
        self.row(db, "process", key, |_, db| {
            let sql = "INSERT INTO process (key, pid, name, exe, container) VALUES (?1, ?2, ?3, ?4, ?5)";
            insert(db, sql, params![key, it.pid, it.name, it.exe, it.container])
        })
    }

    /// The row of a ClientHello.
    pub(super) fn hello(&mut self, db: &Connection, it: &Hello) -> rusqlite::Result<i64> {
        let alpn: Vec<_> = it.alpn.iter().map(|alpn| latin1::text(alpn)).collect();
        let key = key(&(&it.sni, &alpn, &it.versions, &it.ja3, &it.ja3_text, &it.ja4));
        self.row(db, "hello", key, |_, db| {
            let sql = "INSERT INTO hello (key, sni, alpn, versions, ja3, ja3_text, ja4)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let (alpn, versions) = (json(&alpn), json(&it.versions));
            insert(db, sql, params![key, it.sni, alpn, versions, it.ja3, it.ja3_text, it.ja4])
        })
    }

    /// The row of one side of TLS.
    pub(super) fn tls(&mut self, db: &Connection, side: &Arc<TlsSide>) -> rusqlite::Result<i64> {
        let address = Arc::as_ptr(side).addr();
        if let Some((_, id)) = self.sides.get(&address) {
            return Ok(*id);
        }
        let mut chain = Vec::with_capacity(side.chain.len());
        for der in &side.chain {
            chain.push(self.certificate(db, der)?);
        }
        let hello = side.hello.as_ref().map(|hello| self.hello(db, hello)).transpose()?;
        let alpn = side.alpn.as_ref().map(|alpn| latin1::text(alpn));
        let (verified, because) = match &side.verified {
            None => (None, None),
            Some(Ok(())) => (Some(true), None),
            Some(Err(words)) => (Some(false), Some(words)),
        };
        let version = side.version.0;
        let key = key(&(
            (version, &side.cipher, &side.group, &alpn, &side.sni),
            (hello, side.resumed, &chain, verified, because),
        ));
        let id = self.row(db, "tls", key, |_, db| {
            let sql = "INSERT INTO tls (key, version, cipher, key_group, alpn, sni, hello, resumed, chain, leaf,
                                        verified, unverified_because)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
            let (chain, leaf) = (json(&chain), chain.first());
            let values = params![
                key,
                version,
                side.cipher,
                side.group,
                alpn,
                side.sni,
                hello,
                side.resumed,
                chain,
                leaf,
                verified,
                because
            ];
            insert(db, sql, values)
        })?;
        if self.sides.len() >= MOST / 10 {
            self.sides.clear();
        }
        self.sides.insert(address, (Arc::clone(side), id));
        Ok(id)
    }

    fn certificate(&mut self, db: &Connection, der: &[u8]) -> rusqlite::Result<i64> {
        let key = sha256(der);
        self.row(db, "certificate", key, |_, db| {
            let read = Certificate::parse(der).ok();
            let sql = "INSERT INTO certificate (sha256, subject, issuer, not_before, not_after, der)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (subject, issuer) = (read.as_ref().map(|it| &it.subject), read.as_ref().map(|it| &it.issuer));
            let not_before = read.as_ref().map(|it| it.not_before.0);
            let not_after = read.as_ref().map(|it| it.not_after.0);
            insert(db, sql, params![key, subject, issuer, not_before, not_after, der])
        })
    }

    /// The row of this key in `table`; `make` makes it.
    fn row(
        &mut self,
        db: &Connection,
        table: &'static str,
        key: [u8; 32],
        make: impl FnOnce(&mut Self, &Connection) -> rusqlite::Result<i64>,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.rows.get(&key) {
            return Ok(*id);
        }
        let find = match table {
            "process" => "SELECT id FROM process WHERE key = ?1",
            "hello" => "SELECT id FROM hello WHERE key = ?1",
            "tls" => "SELECT id FROM tls WHERE key = ?1",
            _ => "SELECT id FROM certificate WHERE sha256 = ?1",
        };
        let found = db.prepare_cached(find)?.query_row([key], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => make(self, db)?,
        };
        if self.rows.len() >= MOST {
            self.rows.clear();
        }
        self.rows.insert(key, id);
        Ok(id)
    }
}

fn insert(db: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<i64> {
    db.prepare_cached(sql)?.insert(values)
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn key(content: &impl serde::Serialize) -> [u8; 32] {
    sha256(json(content).as_bytes())
}

/// `Text/HTML; charset=utf-8` → `text/html`.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

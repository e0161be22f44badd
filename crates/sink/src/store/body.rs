//! Bodies in pieces that are kept once. In: what was kept of a body. Out: rows, and the body again.
//!
//! Pieces are of a fixed size, so that the same blob makes the same pieces however often it passes and wherever it was cut.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use sidelight_model::flow::Body;

use super::document::json;
use super::intern::sha256;

/// Bytes of a piece.
pub(super) const PIECE: usize = 64 * 1024;
/// Bodies up to this many bytes are not looked for among others: looking for a twin would cost more than it saves.
const SMALL: usize = 2048;
/// The number of the body that has no row: nothing, with the digest of nothing. Most requests have it.
const EMPTY: i64 = 0;
const DIGEST_OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
/// Level of zstd: what passes should not wait.
const LEVEL: i32 = 1;
/// Pieces whose rows are remembered.
const MOST: usize = 20_000;

/// Writes bodies. Its memory is only valid while nothing is rolled back.
#[derive(Default)]
pub(super) struct Bodies {
    known: HashMap<[u8; 32], i64>,
}

impl Bodies {
    /// Forgets everything: after a rollback, or when pieces were taken out.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Whether a body can stand in the row of what it belongs to.
    pub(super) fn is_small(body: &Body) -> bool {
        (1..=SMALL).contains(&body.kept.len())
    }

    /// Writes a body; `None` when there is nothing to say about it.
    pub(super) fn put(&mut self, db: &Connection, body: &Body) -> rusqlite::Result<Option<i64>> {
        if body.length == 0 && body.wire_length == 0 && body.kept.is_empty() {
            match body.sha256 {
                None => return Ok(None),
                Some(DIGEST_OF_NOTHING) => return Ok(Some(EMPTY)),
                Some(_) => {}
            }
        }
        let kept = &body.kept;
        let (data, pieces) = match kept.len() {
            0 => (None, None),
            length if length <= SMALL => (Some(kept.as_ref()), None),
            _ => (None, Some(json(&self.pieces(db, kept)?))),
        };
        // All columns, in the order of the schema: a statement is found again by its text.
        let sql = "INSERT INTO body VALUES (NULL,?,?,?,?,?,?)";
        let values =
            params![body.length.cast_signed(), body.wire_length.cast_signed(), body.sha256, length(kept), data, pieces];
        db.prepare_cached(sql)?.insert(values).map(Some)
    }

    fn pieces(&mut self, db: &Connection, kept: &[u8]) -> rusqlite::Result<Vec<i64>> {
        kept.chunks(PIECE).map(|piece| self.piece(db, piece)).collect()
    }

    fn piece(&mut self, db: &Connection, piece: &[u8]) -> rusqlite::Result<i64> {
        let key = sha256(piece);
        let known = match self.known.get(&key) {
            Some(id) => Some(*id),
            None => db
                .prepare_cached("SELECT id FROM chunk WHERE sha256 = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?,
        };
        let id = match known {
            Some(id) => {
                db.prepare_cached("UPDATE chunk SET refs = refs + 1 WHERE id = ?1")?.execute([id])?;
                id
            }
            None => {
                let (coding, data) = pack(piece);
                let sql = "INSERT INTO chunk (sha256, refs, size, coding, data) VALUES (?1, 1, ?2, ?3, ?4)";
                db.prepare_cached(sql)?.insert(params![key, length(piece), coding, data.as_ref()])?
            }
        };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(key, id);
        Ok(id)
    }
}

/// A length as SQLite has it.
pub(super) fn length(data: &[u8]) -> i64 {
    i64::try_from(data.len()).unwrap_or(i64::MAX)
}

/// Compresses `data` where that saves something. Out: the coding (0 as it is, 1 zstd), and the bytes.
pub(super) fn pack(data: &[u8]) -> (i64, std::borrow::Cow<'_, [u8]>) {
    match zstd::bulk::compress(data, LEVEL) {
        Ok(packed) if packed.len() < data.len() - data.len() / 16 => (1, packed.into()),
        _ => (0, data.into()),
    }
}

fn damaged(words: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, words.into())
}

/// Undoes [`pack`]; `size` is how much there was.
pub(super) fn unpack(coding: i64, data: Vec<u8>, size: i64) -> rusqlite::Result<Vec<u8>> {
    match coding {
        0 => Ok(data),
        1 => zstd::bulk::decompress(&data, usize::try_from(size).unwrap_or(0).min(MOST_IN_PIECE))
            .map_err(|error| damaged(format!("a damaged piece of content: {error}"))),
        other => Err(damaged(format!("a piece of content of the unknown coding {other}"))),
    }
}

/// Most bytes that a piece may say it has: what is not of ours must not make us allocate without end.
const MOST_IN_PIECE: usize = 64 << 20;

/// Most bytes of a body: the same, for a list of pieces that names one of them over and over.
const MOST_IN_BODY: usize = 1 << 30;

/// Reads a body again.
pub(super) fn load(db: &Connection, id: Option<i64>) -> rusqlite::Result<Body> {
    let Some(id) = id else { return Ok(Body::default()) };
    if id == EMPTY {
        return Ok(Body { sha256: Some(DIGEST_OF_NOTHING), ..Body::default() });
    }
    let sql = "SELECT length, wire_length, sha256, data, chunks FROM body WHERE id = ?1";
    let (mut body, data, pieces) = db.prepare_cached(sql)?.query_row([id], |row| {
        let body = Body {
            length: row.get::<_, i64>(0)?.cast_unsigned(),
            wire_length: row.get::<_, i64>(1)?.cast_unsigned(),
            sha256: row.get(2)?,
            kept: Bytes::new(),
        };
        Ok((body, row.get::<_, Option<Vec<u8>>>(3)?, row.get::<_, Option<String>>(4)?))
    })?;
    if let Some(data) = data {
        body.kept = data.into();
    } else if let Some(pieces) = pieces {
        let pieces: Vec<i64> = serde_json::from_str(&pieces).unwrap_or_default();
        body.kept = join(db, &pieces)?.into();
    }
    Ok(body)
}

fn join(db: &Connection, pieces: &[i64]) -> rusqlite::Result<Vec<u8>> {
    let mut find = db.prepare_cached("SELECT coding, size, data FROM chunk WHERE id = ?1")?;
    let mut whole = Vec::new();
    for piece in pieces {
        let (coding, size, data) =
            find.query_row([piece], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)))?;
        whole.extend(unpack(coding, data, size)?);
        if whole.len() > MOST_IN_BODY {
            return Err(damaged("a body of more than 1 GiB".to_owned()));
        }
    }
    Ok(whole)
}

/// Takes a body out, and the pieces that nothing else holds. Out: whether pieces went.
pub(super) fn remove(db: &Connection, id: i64) -> rusqlite::Result<bool> {
    let pieces: Option<Option<String>> = db
        .prepare_cached("DELETE FROM body WHERE id = ?1 RETURNING chunks")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(pieces) = pieces.flatten() else { return Ok(false) };
    let pieces: Vec<i64> = serde_json::from_str(&pieces).unwrap_or_default();
    let mut gone = false;
    for piece in pieces {
        db.prepare_cached("UPDATE chunk SET refs = refs - 1 WHERE id = ?1")?.execute([piece])?;
        gone |= db.prepare_cached("DELETE FROM chunk WHERE id = ?1 AND refs <= 0")?.execute([piece])? > 0;
    }
    Ok(gone)
}

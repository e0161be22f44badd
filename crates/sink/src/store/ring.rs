//! Keeping a file at about a size. In: a recording that has grown. Out: the oldest entries are gone, and with them whatever
//! nothing else holds. Pages become free and are used again; the file is never rewritten.

use rusqlite::{Connection, OptionalExtension};

use super::body;
use super::connection::Connections;
use super::segment::pragma;

/// Entries that one transaction takes out at the most, so that none takes long.
const MOST: usize = 20_000;
/// Entries between two looks at the size.
const STRIDE: usize = 64;
/// Rows that connections share are looked through after so many connections went.
const SWEEP: i64 = 5_000;

/// What went, so that memories of it can be dropped.
#[derive(Default)]
pub(super) struct Taken {
    /// Pieces of bodies.
    pub(super) pieces: bool,
    /// Rows that connections share.
    pub(super) shared: bool,
}

/// Takes the oldest entries out until the file has room below `most` bytes again.
pub(super) fn shrink(db: &Connection, most: u64, connections: &Connections) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    let goal = most - most / 8;
    let mut gone = 0;
    for entry in 0..MOST {
        if entry % STRIDE == 0 && used(db)? <= goal {
            break;
        }
        match take_oldest(db, connections, &mut taken)? {
            Some(went) => gone += i64::from(went),
            None => break,
        }
    }
    if gone > 0 {
        taken.shared = sweep(db, gone)?;
    }
    Ok(taken)
}

fn used(db: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(db, "page_count")?.saturating_sub(pragma(db, "freelist_count")?);
    Ok(pages.saturating_mul(pragma(db, "page_size")?))
}

/// Takes the oldest entry out. Out: whether a connection went with it; `None` when there is nothing to take.
fn take_oldest(db: &Connection, connections: &Connections, taken: &mut Taken) -> rusqlite::Result<Option<bool>> {
    let oldest = "SELECT what, seq FROM (
            SELECT * FROM (SELECT 'flow' AS what, seq FROM flow ORDER BY id LIMIT 1)
            UNION ALL SELECT * FROM (SELECT 'message', seq FROM message ORDER BY seq LIMIT 1)
            UNION ALL SELECT * FROM (SELECT 'finding', seq FROM finding ORDER BY seq LIMIT 1)
            UNION ALL SELECT * FROM (SELECT 'closing', seq FROM closing ORDER BY seq LIMIT 1)
            UNION ALL SELECT * FROM (SELECT 'packets', seq FROM packets ORDER BY seq LIMIT 1)
        ) ORDER BY seq LIMIT 1";
    let oldest: Option<(String, i64)> =
        db.prepare_cached(oldest)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((what, seq)) = oldest else { return Ok(None) };
    let sql = match what.as_str() {
        "flow" => return take_flow(db, connections, taken).map(Some),
        "message" => "DELETE FROM message WHERE seq = ?1 RETURNING connection, conn, body, body_to_client",
        "finding" => "DELETE FROM finding WHERE seq = ?1 RETURNING connection, conn, NULL, NULL",
        "closing" => "DELETE FROM closing WHERE seq = ?1 RETURNING connection, conn, NULL, NULL",
        _ => {
            db.prepare_cached("DELETE FROM packets WHERE seq = ?1")?.execute([seq])?;
            return Ok(Some(false));
        }
    };
    let (row, conn, bodies) = db
        .prepare_cached(sql)?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, [row.get::<_, Option<i64>>(2)?, row.get(3)?])))?;
    for body in bodies.into_iter().flatten() {
        taken.pieces |= body::remove(db, body)?;
    }
    take_connection(db, connections, row, conn).map(Some)
}

fn take_flow(db: &Connection, connections: &Connections, taken: &mut Taken) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM flow WHERE id = (SELECT min(id) FROM flow) RETURNING id, connection, conn";
    let (id, row, conn): (i64, i64, i64) =
        db.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let sql = "DELETE FROM exchange WHERE flow = ?1 RETURNING request_body, response_body";
    let bodies: Option<[Option<i64>; 2]> =
        db.prepare_cached(sql)?.query_row([id], |row| Ok([row.get(0)?, row.get(1)?])).optional()?;
    for body in bodies.into_iter().flatten().flatten() {
        taken.pieces |= body::remove(db, body)?;
    }
    take_connection(db, connections, row, conn)
}

/// Takes the row of a connection out when it is over and nothing refers to the row.
fn take_connection(db: &Connection, connections: &Connections, row: i64, conn: i64) -> rusqlite::Result<bool> {
    if connections.is_open(conn) {
        return Ok(false);
    }
    let sql = "DELETE FROM connection WHERE id = ?1
        AND NOT EXISTS (SELECT 1 FROM flow WHERE conn = ?2 AND connection = ?1)
        AND NOT EXISTS (SELECT 1 FROM message WHERE conn = ?2 AND connection = ?1)
        AND NOT EXISTS (SELECT 1 FROM finding WHERE conn = ?2 AND connection = ?1)
        AND NOT EXISTS (SELECT 1 FROM closing WHERE conn = ?2 AND connection = ?1)";
    Ok(db.prepare_cached(sql)?.execute([row, conn])? > 0)
}

/// Counts connections that went, and now and then takes out what they shared and no other has.
fn sweep(db: &Connection, gone: i64) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO meta (key, value) VALUES ('gone', ?1)
        ON CONFLICT (key) DO UPDATE SET value = value + ?1 RETURNING value";
    let all: i64 = db.prepare_cached(sql)?.query_row([gone], |row| row.get(0))?;
    if all < SWEEP {
        return Ok(false);
    }
    db.execute_batch(
        "UPDATE meta SET value = 0 WHERE key = 'gone';
         DELETE FROM process WHERE id NOT IN (SELECT process FROM connection WHERE process IS NOT NULL);
         DELETE FROM tls WHERE id NOT IN (SELECT server_tls FROM connection WHERE server_tls IS NOT NULL
             UNION SELECT client_tls FROM connection WHERE client_tls IS NOT NULL);
         DELETE FROM hello WHERE id NOT IN (SELECT hello FROM connection WHERE hello IS NOT NULL
             UNION SELECT hello FROM tls WHERE hello IS NOT NULL);
         DELETE FROM certificate WHERE id NOT IN (SELECT value FROM tls, json_each(tls.chain));
         DELETE FROM host WHERE id NOT IN (SELECT host FROM flow WHERE host IS NOT NULL
             UNION SELECT target_host FROM connection WHERE target_host IS NOT NULL);",
    )?;
    Ok(true)
}

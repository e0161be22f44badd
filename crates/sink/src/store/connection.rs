//! Connections in a recording. In: what is known of a connection at some moment. Out: its row, as few of them as say it all.
//!
//! Entries (flows, messages …) refer to a row, and hold themselves what changes all the time: the latest moment, the count of
//! exchanges, whether it had ended. So most connections need one row, whatever passes on them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use sidelight_model::flow::{Closed, ConnectionRecord, Fate, How, TlsSide, Verdict};
use sidelight_model::time::Timestamp;

use super::document::{FindingDocument, json};
use super::intern::{Interner, Names};

/// What an entry holds of its connection, beside the number of the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The row.
    pub(super) row: i64,
    /// The number of the connection.
    pub(super) conn: i64,
    pub(super) latest: i64,
    pub(super) exchanges: i64,
    pub(super) closed: bool,
}

/// A connection as it was known when something happened on it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// What seldom changes, shared by all that was told meanwhile. Its `latest` and `exchanges` may be behind.
    pub(super) record: Arc<ConnectionRecord>,
    /// When its latest event came.
    pub(super) latest: Timestamp,
    /// HTTP exchanges seen on it.
    pub(super) exchanges: u64,
}

/// The latest row of a connection that is still open.
struct Known {
    row: i64,
    snapshot: Snapshot,
    /// An entry refers to it, so what it says must stay.
    is_used: bool,
    /// `latest` and `exchanges` in the row are behind.
    is_behind: bool,
}

/// Writes connections. Its memory is only valid while nothing is rolled back.
pub(super) struct Connections {
    session: i64,
    /// Added to the numbers of connections.
    base: i64,
    known: HashMap<u64, Known>,
    /// Open ones that no entry refers to; written before the next commit, if they are still open then.
    waiting: HashMap<u64, Snapshot>,
}

impl Connections {
    pub(super) fn new(session: i64, base: i64) -> Self {
        Self { session, base, known: HashMap::new(), waiting: HashMap::new() }
    }

    /// Forgets the rows, which may not exist after a rollback; connections get new ones when something happens on them.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.waiting.clear();
    }

    /// An open connection that those who read along should see.
    pub(super) fn note(&mut self, snapshot: Snapshot) {
        self.waiting.insert(snapshot.record.id.0, snapshot);
    }

    /// Whether the connection is under way.
    pub(super) fn is_open(&self, conn: i64) -> bool {
        self.known.contains_key(&conn.wrapping_sub(self.base).cast_unsigned())
    }

    /// The row that says what `record` says, written if need be, for an entry that will refer to it.
    pub(super) fn put(
        &mut self,
        db: &Connection,
        interner: &mut Interner,
        snapshot: &Snapshot,
    ) -> rusqlite::Result<Moment> {
        if !self.waiting.is_empty() {
            self.waiting.remove(&snapshot.record.id.0);
        }
        self.write(db, interner, snapshot, true)
    }

    fn write(
        &mut self,
        db: &Connection,
        interner: &mut Interner,
        snapshot: &Snapshot,
        refers: bool,
    ) -> rusqlite::Result<Moment> {
        let record = &snapshot.record;
        let conn = record.id.0.cast_signed().wrapping_add(self.base);
        let moment = |row| Moment {
            row,
            conn,
            latest: snapshot.latest.0,
            exchanges: snapshot.exchanges.cast_signed(),
            closed: record.closed.is_some(),
        };
        if let Some(known) = self.known.get_mut(&record.id.0)
            && (Arc::ptr_eq(&known.snapshot.record, record) || same(&known.snapshot.record, record))
        {
            let row = known.row;
            match (&known.snapshot.record.closed, &record.closed) {
                (_, None) => {}
                (Some(was), Some(is)) if was == is => {}
                (None, Some(_)) => close(db, row, snapshot)?,
                (Some(_), Some(_)) => return self.add(db, interner, snapshot, refers).map(moment),
            }
            known.is_used |= refers;
            known.is_behind = true;
            // What is told late, of a moment before the end, does not undo the end.
            let is_late = record.closed.is_none() && known.snapshot.record.closed.is_some();
            let record = if is_late { &known.snapshot.record } else { record };
            known.snapshot = Snapshot { record: Arc::clone(record), ..*snapshot };
            return Ok(moment(row));
        }
        if let Some(known) = self.known.get(&record.id.0)
            && !known.is_used
        {
            db.prepare_cached("DELETE FROM connection WHERE id = ?1")?.execute([known.row])?;
        }
        self.add(db, interner, snapshot, refers).map(moment)
    }

    fn add(
        &mut self,
        db: &Connection,
        interner: &mut Interner,
        snapshot: &Snapshot,
        refers: bool,
    ) -> rusqlite::Result<i64> {
        let row = insert(db, interner, snapshot, self.session, self.base)?;
        let known = Known { row, snapshot: snapshot.clone(), is_used: refers, is_behind: false };
        self.known.insert(snapshot.record.id.0, known);
        Ok(row)
    }

    /// The connection is over: nothing more is expected.
    pub(super) fn end(&mut self, db: &Connection, record: &ConnectionRecord) -> rusqlite::Result<()> {
        self.waiting.remove(&record.id.0);
        match self.known.remove(&record.id.0) {
            Some(mut known) => known.catch_up(db),
            None => Ok(()),
        }
    }

    /// Brings the rows of open connections up to date, for those who read along.
    pub(super) fn catch_up(&mut self, db: &Connection, interner: &mut Interner) -> rusqlite::Result<()> {
        for snapshot in std::mem::take(&mut self.waiting).into_values() {
            self.write(db, interner, &snapshot, false)?;
        }
        self.known.values_mut().filter(|known| known.is_behind).try_for_each(|known| known.catch_up(db))
    }
}

impl Known {
    fn catch_up(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.is_behind {
            let sql = "UPDATE connection SET latest = ?2, exchanges = ?3 WHERE id = ?1";
            let values = params![self.row, self.snapshot.latest.0, self.snapshot.exchanges.cast_signed()];
            db.prepare_cached(sql)?.execute(values)?;
            self.is_behind = false;
        }
        Ok(())
    }
}

/// Whether two say the same of a connection, but for what entries hold and for its end.
pub(super) fn same(a: &ConnectionRecord, b: &ConnectionRecord) -> bool {
    let sides = |a: &Option<Arc<TlsSide>>, b: &Option<Arc<TlsSide>>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || same_side(a, b),
        _ => false,
    };
    a.since == b.since
        && a.opened == b.opened
        && a.process == b.process
        && a.target == b.target
        && a.former_targets == b.former_targets
        && a.upstream == b.upstream
        && a.decision == b.decision
        && a.hello == b.hello
        && sides(&a.server_tls, &b.server_tls)
        && sides(&a.client_tls, &b.client_tls)
        && a.findings == b.findings
        && a.finding == b.finding
}

fn same_side(a: &TlsSide, b: &TlsSide) -> bool {
    (a.version, &a.cipher, &a.group, &a.alpn, &a.sni) == (b.version, &b.cipher, &b.group, &b.alpn, &b.sni)
        && (a.resumed, &a.hello, &a.chain, &a.verified) == (b.resumed, &b.hello, &b.chain, &b.verified)
}

fn insert(
    db: &Connection,
    interner: &mut Interner,
    snapshot: &Snapshot,
    session: i64,
    base: i64,
) -> rusqlite::Result<i64> {
    let record = &snapshot.record;
    let opened = record.opened.as_ref();
    let process = record.process.as_ref().map(|it| interner.process(db, it)).transpose()?;
    let host = |it: &sidelight_model::flow::Authority| interner.name(db, Names::Host, &it.host.to_string());
    let target_host = record.target.as_ref().map(host).transpose()?;
    let former: Vec<String> = record.former_targets.iter().map(ToString::to_string).collect();
    let former = (!former.is_empty()).then(|| json(&former));
    let hello = record.hello.as_ref().map(|it| interner.hello(db, it)).transpose()?;
    let server_tls = record.server_tls.as_ref().map(|it| interner.tls(db, it)).transpose()?;
    let client_tls = record.client_tls.as_ref().map(|it| interner.tls(db, it)).transpose()?;
    let finding = record.finding.as_deref();
    let sql = "INSERT INTO connection (conn, session, since, latest, client, local, mode, process, target_host,
                   target_port, former_targets, upstream, verdict, because, hello, server_tls, client_tls, cause,
                   finding, findings, exchanges, fate)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                   ?21, ?22)";
    let row = db.prepare_cached(sql)?.insert(params![
        record.id.0.cast_signed().wrapping_add(base),
        session,
        record.since.0,
        snapshot.latest.0,
        opened.map(|it| it.client.to_string()),
        opened.map(|it| it.local.to_string()),
        opened.map(|it| it.mode.as_ref()),
        process,
        target_host,
        record.target.as_ref().map(|it| it.port),
        former,
        record.upstream.map(|it| it.to_string()),
        record.decision.as_ref().map(|it| verdict_name(it.verdict)),
        record.decision.as_ref().map(|it| it.because.as_str()),
        hello,
        server_tls,
        client_tls,
        finding.map(|it| it.cause.code()),
        finding.map(|it| json(&FindingDocument::of(it))),
        record.findings,
        snapshot.exchanges.cast_signed(),
        Fate::of(record).name(),
    ])?;
    if record.closed.is_some() {
        close(db, row, snapshot)?;
    }
    Ok(row)
}

/// Writes how a connection ended.
fn close(db: &Connection, row: i64, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let record = &snapshot.record;
    let Some((at, Closed { to_server, to_client, how })) = &record.closed else { return Ok(()) };
    let (name, words) = match how {
        How::Clean => ("clean", None),
        How::ClientCut(words) => ("client_cut", Some(words)),
        How::ServerCut(words) => ("server_cut", Some(words)),
        How::Failed => ("failed", None),
        How::Ended(words) => ("ended", Some(words)),
    };
    let sql = "UPDATE connection SET closed = ?2, bytes_to_server = ?3, lost_to_server = ?4, bytes_to_client = ?5,
                   lost_to_client = ?6, how = ?7, how_words = ?8, fate = ?9, latest = ?10, exchanges = ?11
               WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![
        row,
        at.0,
        to_server.bytes.cast_signed(),
        to_server.lost.cast_signed(),
        to_client.bytes.cast_signed(),
        to_client.lost.cast_signed(),
        name,
        words,
        Fate::of(record).name(),
        snapshot.latest.0,
        snapshot.exchanges.cast_signed(),
    ])?;
    Ok(())
}

/// The word for a verdict.
pub(super) const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intercept => "intercept",
        Verdict::Plain => "plain",
        Verdict::Relay => "relay",
        Verdict::Refuse => "refuse",
    }
}

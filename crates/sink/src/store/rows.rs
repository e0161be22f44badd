//! Lists of flows, and single ones. In: a query or a number. Out: rows, in order; a flow with all that is known of it.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, Row, params};
use sidelight_model::filter::{Filter, FlowView};
use sidelight_model::time::Timestamp;

use super::document::cause;
use super::entry;
use super::load::{Loader, finding};
use super::recording::Recording;
use super::select::Selection;
use super::{FlowId, FlowKind, FlowRow, Query, StoreError, StoredFlow};
use crate::filtered::Contents;

/// What a row of a list is made of, in the order in which [`row_of`] reads it.
const ROW_COLUMNS: &str = "flow.id AS id, flow.flags AS flags, flow.kind, flow.conn, flow.stream, flow.started,
    (SELECT name FROM method WHERE id = flow.method), flow.scheme, (SELECT name FROM host WHERE id = flow.host),
    flow.port, flow.path, flow.status, flow.request_size, flow.response_size, flow.response_start, flow.ended,
    (SELECT media_type FROM content_type WHERE id = flow.response_type), flow.outcome,
    (SELECT coalesce(exe, name) FROM process WHERE id = connection.process), connection.client, connection.cause";

/// Reads columns one after another: looking for their names would cost more than reading them.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    at: usize,
}

impl Columns<'_, '_> {
    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }
}

impl Recording {
    /// Tells `each` the flows that the query means, in its order, until it answers `false`.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn rows(&self, query: &Query, each: &mut dyn FnMut(FlowRow) -> bool) -> Result<(), StoreError> {
        let mut read =
            |row: &Row<'_>| Ok(if each(row_of(row)?) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        self.chosen(query, ROW_COLUMNS, &mut read).map_err(|error| self.failed(&error))
    }

    /// Calls `each` with a row of `columns` for every flow that the query means.
    pub(super) fn chosen(
        &self,
        query: &Query,
        columns: &str,
        each: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
    ) -> rusqlite::Result<()> {
        let now = SystemTime::now().into();
        let selection = Selection::of(&self.db, query.filter.as_ref(), now)?;
        let may_be_wrong = !selection.is_exact || selection.has_odd;
        let order = if query.newest_first { "DESC" } else { "ASC" };
        let limit = query.limit.map_or(i64::MAX, |it| i64::try_from(it).unwrap_or(i64::MAX));
        let (condition, sql_limit) = (&selection.condition, if may_be_wrong { -1 } else { limit });
        let sql = format!(
            "SELECT {columns} FROM flow CROSS JOIN connection ON connection.id = flow.connection
             WHERE flow.id > ?1 AND ({condition}) ORDER BY flow.id {order} LIMIT ?2"
        );
        let mut find = self.db.prepare(&sql)?;
        let after = query.after.map_or(i64::MIN, |id| i64::try_from(id.0).unwrap_or(i64::MAX));
        let mut rows = find.query(params![after, sql_limit])?;
        let residual = query.filter.as_ref().filter(|_| may_be_wrong).map(|filter| Residual::new(self, filter, now));
        let mut left = limit;
        while left > 0
            && let Some(row) = rows.next()?
        {
            if let Some(residual) = &residual
                && (!selection.is_exact || row.get::<_, i64>("flags")? & entry::flag::ODD != 0)
                && !residual.matches(row.get("id")?)?
            {
                continue;
            }
            left -= 1;
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A flow with all that is known of it.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn flow(&self, id: FlowId) -> Result<Option<StoredFlow>, StoreError> {
        let loader = Loader::new(&self.db);
        let id = i64::try_from(id.0).unwrap_or(i64::MAX);
        self.load(&loader, id).map_err(|error| self.failed(&error))
    }

    pub(super) fn load(&self, loader: &Loader<'_>, id: i64) -> rusqlite::Result<Option<StoredFlow>> {
        let columns = &loader.flow_columns;
        let sql =
            format!("SELECT {columns} FROM flow LEFT JOIN exchange ON exchange.flow = flow.id WHERE flow.id = ?1");
        let found = self.db.prepare_cached(&sql)?.query_row([id], |row| {
            let is_exchange = row.get::<_, i64>("kind")? == entry::EXCHANGE;
            let exchange = if is_exchange { Some(loader.exchange(row)?) } else { None };
            let stream: Option<i64> = row.get("stream")?;
            Ok((loader.connection_of(row)?, exchange, row.get::<_, i64>("conn")?, stream))
        });
        let Some((mut conn, exchange, number, stream)) = found.optional()? else { return Ok(None) };
        loader.catch_up(&mut conn)?;
        let messages = self.messages(loader, number, id, stream)?;
        let mut find = self.db.prepare_cached("SELECT * FROM finding WHERE conn = ?1 ORDER BY seq")?;
        let findings =
            find.query_map([number], finding)?.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
        Ok(Some(StoredFlow { id: FlowId(id.cast_unsigned()), conn, exchange, messages, findings }))
    }

    fn messages(
        &self,
        loader: &Loader<'_>,
        conn: i64,
        id: i64,
        stream: Option<i64>,
    ) -> rusqlite::Result<Vec<sidelight_model::flow::Decoded>> {
        // Without a stream the flow is the connection, and all of its messages are meant.
        let sql = "SELECT * FROM message WHERE conn = ?1 AND (?2 IS NULL OR stream = ?2 OR (stream IS NULL
                       AND ?3 = (SELECT max(id) FROM flow WHERE conn = ?1)))
                   ORDER BY seq";
        let mut find = self.db.prepare_cached(sql)?;
        find.query_map(params![conn, stream, id], |row| loader.message(row))?.collect()
    }
}

/// What of a filter SQL cannot say.
struct Residual<'r> {
    recording: &'r Recording,
    loader: Loader<'r>,
    filter: &'r Filter,
    now: Timestamp,
}

impl<'r> Residual<'r> {
    fn new(recording: &'r Recording, filter: &'r Filter, now: Timestamp) -> Self {
        Self { recording, loader: Loader::new(&recording.db), filter, now }
    }

    fn matches(&self, id: i64) -> rusqlite::Result<bool> {
        let Some(flow) = self.recording.load(&self.loader, id)? else { return Ok(false) };
        Ok(flow.matches(self.filter, self.now))
    }
}

impl StoredFlow {
    /// Whether the filter means this flow. `now` is what durations until a certificate's end are counted from.
    pub fn matches(&self, filter: &Filter, now: Timestamp) -> bool {
        filter.matches(&FlowView {
            id: Some(self.id.0),
            conn: &self.conn,
            exchange: self.exchange.as_ref(),
            messages: &self.messages,
            findings: &self.findings,
            bodies: &Contents(self.exchange.as_ref()),
            now,
        })
    }
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<FlowRow> {
    let mut columns = Columns { row, at: 0 };
    let id = FlowId(columns.next::<i64>()?.cast_unsigned());
    let _flags: i64 = columns.next()?;
    let is_exchange = columns.next::<i64>()? == entry::EXCHANGE;
    let conn = columns.next::<i64>()?.cast_unsigned();
    let stream = columns.next::<Option<i64>>()?.map(i64::cast_unsigned);
    let started: i64 = columns.next()?;
    let since = |at: Option<i64>| at.map(|at| Duration::from_micros(at.saturating_sub(started).max(0).unsigned_abs()));
    Ok(FlowRow {
        id,
        kind: if is_exchange { FlowKind::Exchange } else { FlowKind::Connection },
        conn,
        stream,
        started: Timestamp(started),
        method: columns.next()?,
        scheme: columns.next()?,
        host: columns.next()?,
        port: columns.next()?,
        path: columns.next()?,
        status: columns.next()?,
        request_size: columns.next::<i64>()?.max(0).unsigned_abs(),
        response_size: columns.next::<i64>()?.max(0).unsigned_abs(),
        first_byte: since(columns.next()?),
        total: since(columns.next()?),
        media_type: columns.next()?,
        outcome: outcome_of(&columns.next::<String>()?),
        client: client(columns.next()?, columns.next()?),
        cause: columns.next::<Option<String>>()?.and_then(|code| cause(&code)),
    })
}

/// Who connected: the program, else the address.
fn client(program: Option<String>, address: Option<String>) -> String {
    match (program, address) {
        (Some(program), _) => program,
        (None, Some(address)) => {
            address.parse().map_or(address, |it: std::net::SocketAddr| it.ip().to_canonical().to_string())
        }
        (None, None) => "unknown client".to_owned(),
    }
}

/// The word as one that lives as long as the program.
fn outcome_of(word: &str) -> &'static str {
    const WORDS: [&str; 9] =
        ["complete", "upgraded", "cut", "undecodable", "decrypted", "plain", "relayed", "refused", "failed"];
    WORDS.into_iter().find(|it| *it == word).unwrap_or("undecodable")
}

//! A recording told again. In: a query. Out: the calls of [`Consumer`] that were made when it was recorded, in their order.
//!
//! Memory is bounded: which flows are meant stands in a temporary table, and five cursors walk side by side.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Rows, Statement, params};
use sidelight_model::flow::{ConnId, ConnectionRecord, Decoded};

use super::load::{Loader, finding};
use super::recording::Recording;
use super::{Query, StoreError, entry, packets};
use crate::bus::Consumer;
use crate::ledger::Ledger;

/// Flows between two calls of [`Consumer::idle`].
const BREATH: u32 = 256;

impl Recording {
    /// Tells consumers what was recorded, in the order in which it was found: messages before or after their exchange,
    /// findings, ends of connections. With a filter, only flows that it means, what belongs to them, and their connections.
    /// Events are not told. Ends with [`Consumer::end`].
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn replay(&self, query: &Query, consumers: &mut [Box<dyn Consumer>]) -> Result<Ledger, StoreError> {
        self.tell(query, consumers, false).map_err(|error| self.failed(&error))
    }

    /// As [`Recording::replay`], and tells the events of the sockets as well, as far as the recording holds them
    /// (`--store-packets`; see [`super::RecordingInfo::packets`]): `Socket`, `Wire`, `WireLost`, `WireEnd`, `Secret`.
    ///
    /// # Errors
    /// As [`Recording::replay`].
    pub fn replay_packets(&self, query: &Query, consumers: &mut [Box<dyn Consumer>]) -> Result<Ledger, StoreError> {
        self.tell(query, consumers, true).map_err(|error| self.failed(&error))
    }

    fn tell(&self, query: &Query, consumers: &mut [Box<dyn Consumer>], with_packets: bool) -> rusqlite::Result<Ledger> {
        // One moment of a growing recording is told, whatever is written meanwhile.
        let moment = self.db.unchecked_transaction()?;
        let chosen = self.choose(query)?;
        let mut teller = Teller {
            recording: self,
            loader: Loader::new(&self.db),
            consumers,
            open: BTreeMap::new(),
            ledger: Ledger::default(),
        };
        for loss in self.losses()?.iter().filter(|loss| loss.what == "sinks") {
            teller.ledger.shed = teller.ledger.shed.saturating_add(loss.connections);
        }
        let told = teller.run(chosen, with_packets);
        let ledger = teller.end();
        if chosen {
            self.db.execute_batch("DELETE FROM temp.chosen")?;
        }
        moment.commit()?;
        told.map(|()| ledger)
    }

    /// Calls `read` on one moment of the recording, with whether not all flows are meant: then those that are stand in the table
    /// `temp.meant` (`flow`).
    pub(crate) fn with_meant<T>(
        &self,
        query: &Query,
        read: impl FnOnce(&rusqlite::Connection, bool) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let run = || {
            let moment = self.db.unchecked_transaction()?;
            let is_limited = query.filter.is_some() || query.after.is_some() || query.limit.is_some();
            if is_limited {
                self.mean(query)?;
            }
            let result = read(&self.db, is_limited)?;
            if is_limited {
                self.db.execute_batch("DELETE FROM temp.meant")?;
            }
            moment.commit()?;
            Ok(result)
        };
        run().map_err(|error: rusqlite::Error| self.failed(&error))
    }

    fn mean(&self, query: &Query) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "query_only", false)?;
        self.db.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS meant (flow INTEGER PRIMARY KEY); DELETE FROM temp.meant;",
        )?;
        let mut insert = self.db.prepare("INSERT INTO temp.meant VALUES (?1)")?;
        self.chosen(query, "flow.id AS id, flow.flags AS flags", &mut |row| {
            insert.execute([row.get::<_, i64>(0)?])?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Writes down which flows are meant. Out: whether that is not simply all.
    fn choose(&self, query: &Query) -> rusqlite::Result<bool> {
        if query.filter.is_none() && query.after.is_none() && query.limit.is_none() {
            return Ok(false);
        }
        self.db.pragma_update(None, "query_only", false)?;
        let made = self.db.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS chosen (flow INTEGER PRIMARY KEY, conn INTEGER NOT NULL, stream INTEGER,
                 last INTEGER NOT NULL);
             CREATE INDEX IF NOT EXISTS temp.chosen_conn ON chosen (conn, stream);
             DELETE FROM temp.chosen;",
        );
        let filled = made.and_then(|()| {
            let sql = "INSERT INTO temp.chosen SELECT ?1, ?2, ?3, ?1 = (SELECT max(id) FROM main.flow WHERE conn = ?2)";
            let mut insert = self.db.prepare(sql)?;
            let columns = "flow.id AS id, flow.conn AS conn, flow.stream AS stream, flow.flags AS flags";
            self.chosen(query, columns, &mut |row| {
                let (id, conn, stream): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                insert.execute(params![id, conn, stream])?;
                Ok(ControlFlow::Continue(()))
            })
        });
        filled.map(|()| true)
    }
}

/// Which cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Flow,
    Message,
    Finding,
    Closing,
    Packets,
}

struct Teller<'r, 'c> {
    recording: &'r Recording,
    loader: Loader<'r>,
    consumers: &'c mut [Box<dyn Consumer>],
    /// Connections that consumers know and that have not ended, with their latest rows.
    open: BTreeMap<ConnId, i64>,
    ledger: Ledger,
}

fn statement(source: Source, chosen: bool, flow_columns: &str) -> String {
    let of_connection = if chosen { "WHERE conn IN (SELECT conn FROM temp.chosen)" } else { "" };
    match source {
        Source::Flow => {
            let chosen = if chosen { "WHERE flow.id IN (SELECT flow FROM temp.chosen)" } else { "" };
            format!(
                "SELECT {flow_columns} FROM flow LEFT JOIN exchange ON exchange.flow = flow.id {chosen} ORDER BY flow.id"
            )
        }
        Source::Message if chosen => "SELECT * FROM message WHERE EXISTS (SELECT 1 FROM temp.chosen AS it
                WHERE it.conn = message.conn AND (it.stream IS NULL OR it.stream = message.stream
                    OR (message.stream IS NULL AND it.last)))
            ORDER BY seq"
            .to_owned(),
        Source::Message => "SELECT * FROM message ORDER BY seq".to_owned(),
        Source::Finding => format!("SELECT * FROM finding {of_connection} ORDER BY seq"),
        Source::Closing => format!("SELECT * FROM closing {of_connection} ORDER BY seq"),
        Source::Packets => "SELECT * FROM packets ORDER BY seq".to_owned(),
    }
}

/// The number in the order of things at which a cursor stands.
fn seq(rows: &mut Rows<'_>) -> rusqlite::Result<Option<i64>> {
    rows.advance()?;
    rows.get().map(|row| row.get("seq")).transpose()
}

impl Teller<'_, '_> {
    fn run(&mut self, chosen: bool, with_packets: bool) -> rusqlite::Result<()> {
        let mut sources = vec![Source::Flow, Source::Message, Source::Finding, Source::Closing];
        if with_packets {
            sources.push(Source::Packets);
        }
        let db = &self.recording.db;
        let columns = self.loader.flow_columns.clone();
        let prepare = |source: &Source| db.prepare(&statement(*source, chosen, &columns));
        let mut statements: Vec<Statement<'_>> = sources.iter().map(prepare).collect::<rusqlite::Result<_>>()?;
        let mut cursors: Vec<Rows<'_>> =
            statements.iter_mut().map(|statement| statement.query([])).collect::<rusqlite::Result<_>>()?;
        let mut heads: Vec<Option<i64>> = cursors.iter_mut().map(seq).collect::<rusqlite::Result<_>>()?;
        let mut since_breath = 0;
        while let Some((at, _)) =
            heads.iter().enumerate().filter_map(|(at, head)| head.map(|head| (at, head))).min_by_key(|(_, head)| *head)
        {
            let (Some(source), Some(rows)) = (sources.get(at), cursors.get_mut(at)) else { break };
            if let Some(row) = rows.get() {
                self.one(*source, row, chosen)?;
            }
            if let Some(head) = heads.get_mut(at) {
                *head = seq(rows)?;
            }
            since_breath += 1;
            if since_breath == BREATH {
                since_breath = 0;
                self.each(|consumer| consumer.idle());
            }
        }
        Ok(())
    }

    fn each(&mut self, mut call: impl FnMut(&mut dyn Consumer)) {
        for consumer in self.consumers.iter_mut() {
            call(consumer.as_mut());
        }
    }

    fn one(&mut self, source: Source, row: &Row<'_>, chosen: bool) -> rusqlite::Result<()> {
        if source == Source::Packets {
            return self.packets(row, chosen);
        }
        let conn = self.loader.connection_of(row)?;
        self.open(&conn, row.get("connection")?);
        match source {
            Source::Flow => {
                if row.get::<_, i64>("kind")? == entry::EXCHANGE {
                    let exchange = Arc::new(self.loader.exchange(row)?);
                    self.each(|consumer| consumer.exchange(&conn, &exchange));
                }
            }
            Source::Message => {
                let decoded = self.loader.message(row)?;
                self.ledger.undecoded += u64::from(matches!(decoded, Decoded::Stopped(..)));
                self.each(|consumer| consumer.decoded(&conn, &decoded));
            }
            Source::Finding => {
                if let Some(finding) = finding(row)? {
                    self.each(|consumer| consumer.finding(&conn, &finding));
                }
            }
            Source::Closing => {
                self.open.remove(&conn.id);
                self.each(|consumer| consumer.closed(&conn));
                self.ledger.count(&conn);
            }
            Source::Packets => {}
        }
        Ok(())
    }

    /// Tells consumers of a connection before anything on it.
    fn open(&mut self, conn: &ConnectionRecord, row: i64) {
        if self.open.insert(conn.id, row).is_none() {
            let mut first = ConnectionRecord::new(conn.id, conn.since);
            first.opened.clone_from(&conn.opened);
            self.each(|consumer| consumer.opened(&first));
        }
    }

    fn packets(&mut self, row: &Row<'_>, chosen: bool) -> rusqlite::Result<()> {
        let data = match row.get_ref("data")? {
            ValueRef::Blob(data) => data.to_vec(),
            _ => return Ok(()),
        };
        let db = &self.recording.db;
        let latest = "SELECT id FROM connection WHERE conn = ?1 ORDER BY id DESC LIMIT 1";
        let mut latest = db.prepare_cached(latest)?;
        let is_chosen = "SELECT EXISTS (SELECT 1 FROM temp.chosen WHERE conn = ?1)";
        let mut is_chosen = if chosen { Some(db.prepare_cached(is_chosen)?) } else { None };
        for event in packets::read(row.get("coding")?, data, row.get("size")?)? {
            let number = event.conn.0.cast_signed();
            if let Some(is_chosen) = &mut is_chosen
                && !is_chosen.query_row([number], |row| row.get::<_, bool>(0))?
            {
                continue;
            }
            // Packets may come before anything else that is known of their connection.
            let row: Option<i64> = latest.query_row([number], |row| row.get(0)).optional()?;
            let conn = match row {
                Some(row) => {
                    let conn = self.loader.connection(row)?.as_ref().clone();
                    self.open(&conn, row);
                    conn
                }
                None => ConnectionRecord::new(event.conn, event.at),
            };
            self.each(|consumer| consumer.event(&conn, &event));
        }
        Ok(())
    }

    /// Tells the ledger; connections that were still open are counted as they are.
    fn end(mut self) -> Ledger {
        for row in std::mem::take(&mut self.open).into_values() {
            if let Ok(conn) = self.loader.connection(row) {
                self.ledger.count(&conn);
            }
        }
        let ledger = std::mem::take(&mut self.ledger);
        self.each(|consumer| consumer.idle());
        self.each(|consumer| consumer.end(&ledger));
        ledger
    }
}

//! Reads a recording once, connection by connection. In: [`Recording`]. Out: [`Stats`]. Memory is bounded: by services, clients and
//! certificates, of which each kind has a limit, not by flows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;

use rusqlite::{Connection, Row};
use sidelight_model::filter::Filter;
use sidelight_model::finding::{Cause, Party};
use sidelight_model::flow::{Fate, TlsVersion};
use sidelight_model::time::Timestamp;

use super::names::{Key, certificate, name_of};
use super::{CauseUse, ClientUse, Service, Stats};
use crate::store::{Query, Recording, StoreError};

/// Services, clients and certificates that are told apart.
const MOST_SERVICES: usize = 20_000;
const MOST_CLIENTS: usize = 5_000;
const MOST_CERTIFICATES: usize = 50_000;

/// Names in one list of names.
const MOST_NAMES: usize = 256;

/// Rows of TLS that are remembered.
const MOST_SIDES: usize = 10_000;

impl Stats {
    /// The account of all flows, or of those that `filter` means. `now` is what days left are counted from.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn of(recording: &Recording, filter: Option<&Filter>, now: Timestamp) -> Result<Self, StoreError> {
        let query = Query { filter: filter.cloned(), ..Query::default() };
        recording.with_meant(&query, |db, is_limited| Gatherer::new(db, now).run(is_limited)).and_then(|mut stats| {
            stats.losses = recording.info()?.losses;
            Ok(stats)
        })
    }
}

/// What of a TLS row counts.
struct Side {
    version: TlsVersion,
    cipher: String,
    verified: Option<bool>,
    because: Option<String>,
    leaf: Option<i64>,
    chain: Vec<i64>,
}

/// What of a connection's latest row counts.
struct Conn {
    fate: Fate,
    client: String,
    side: Option<Rc<Side>>,
    findings: i64,
}

#[derive(Default)]
struct Shown {
    is_leaf: bool,
    connections: u64,
    services: BTreeSet<Key>,
}

struct Gatherer<'d> {
    db: &'d Connection,
    stats: Stats,
    services: HashMap<Key, Service>,
    clients: HashMap<String, (ClientUse, BTreeSet<Key>)>,
    certificates: HashMap<i64, Shown>,
    causes: BTreeMap<Cause, (CauseUse, BTreeSet<Key>)>,
    sides: HashMap<i64, Rc<Side>>,
    programs: HashMap<i64, String>,
}

/// The flows of one connection.
#[derive(Default)]
struct Group {
    conn: Option<i64>,
    keys: Vec<Key>,
    exchanges: u64,
    bytes: [u64; 2],
}

impl<'d> Gatherer<'d> {
    fn new(db: &'d Connection, now: Timestamp) -> Self {
        Self {
            db,
            stats: Stats { now, ..Stats::default() },
            services: HashMap::new(),
            clients: HashMap::new(),
            certificates: HashMap::new(),
            causes: BTreeMap::new(),
            sides: HashMap::new(),
            programs: HashMap::new(),
        }
    }

    fn run(mut self, is_limited: bool) -> rusqlite::Result<Stats> {
        let only = if is_limited { "WHERE id IN (SELECT flow FROM temp.meant)" } else { "" };
        let sql = format!(
            "SELECT conn, kind, host, port, status, request_size, response_size, started, response_start, ended, outcome
             FROM flow {only} ORDER BY conn"
        );
        let mut find = self.db.prepare(&sql)?;
        let mut rows = find.query([])?;
        let mut group = Group::default();
        while let Some(row) = rows.next()? {
            let conn: i64 = row.get(0)?;
            if group.conn != Some(conn) {
                self.finish(&std::mem::take(&mut group))?;
                group.conn = Some(conn);
            }
            self.flow(row, &mut group)?;
        }
        self.finish(&group)?;
        self.end()
    }

    fn flow(&mut self, row: &Row<'_>, group: &mut Group) -> rusqlite::Result<()> {
        let is_exchange = row.get::<_, i64>(1)? == 1;
        let key: Key = (row.get(2)?, row.get(3)?);
        let status: Option<u16> = row.get(4)?;
        let size = |n: usize| row.get::<_, i64>(n).map(|it| it.max(0).unsigned_abs());
        let bytes = [size(5)?, size(6)?];
        let (started, first, ended): (i64, Option<i64>, Option<i64>) = (row.get(7)?, row.get(8)?, row.get(9)?);
        let after = |at: i64| at.saturating_sub(started).max(0).unsigned_abs();
        let stats = &mut self.stats;
        stats.flows += 1;
        stats.exchanges += u64::from(is_exchange);
        group.exchanges += u64::from(is_exchange);
        add(&mut stats.bytes, bytes);
        add(&mut group.bytes, bytes);
        let (from, to) = (Timestamp(started), Timestamp(ended.unwrap_or(started)));
        let (since, until) = stats.times.unwrap_or((from, to));
        stats.times = Some((since.min(from), until.max(to)));
        if self.services.len() >= MOST_SERVICES && !self.services.contains_key(&key) {
            stats.flows_left_out += 1;
            return Ok(());
        }
        let service = self.services.entry(key).or_default();
        if !group.keys.contains(&key) && group.keys.len() < MOST_NAMES {
            group.keys.push(key);
        }
        add(&mut service.bytes, bytes);
        if is_exchange {
            service.exchanges += 1;
            service.cut += u64::from(row.get_ref(10)?.as_str().is_ok_and(|word| word == "cut"));
            match status {
                Some(status) => *service.statuses.entry(status).or_default() += 1,
                None => service.unanswered += 1,
            }
            if let Some(first) = first {
                service.first_byte.add(after(first));
            }
            if let (Some(ended), Some(_)) = (ended, status) {
                service.total.add(after(ended));
            }
        }
        Ok(())
    }

    /// A connection with its flows is known: what is said of it once goes to each service that it was for.
    fn finish(&mut self, group: &Group) -> rusqlite::Result<()> {
        let Some(number) = group.conn else { return Ok(()) };
        self.stats.connections += 1;
        let Some(conn) = self.connection(number)? else { return Ok(()) };
        *self.stats.fates.entry(conn.fate).or_default() += 1;
        let causes = if conn.findings > 0 { self.findings(number, group)? } else { BTreeSet::new() };
        for key in &group.keys {
            let Some(service) = self.services.get_mut(key) else { continue };
            service.connections += 1;
            *service.fates.entry(conn.fate).or_default() += 1;
            insert(&mut service.clients, &conn.client);
            causes.iter().for_each(|cause| *service.causes.entry(*cause).or_default() += 1);
            let Some(side) = conn.side.as_deref() else { continue };
            *service.tls.entry(side.version).or_default() += 1;
            *service.ciphers.entry(side.cipher.clone()).or_default() += 1;
            match (side.verified, &side.because) {
                (Some(true), _) => service.verified += 1,
                (Some(false), because) => {
                    let because = because.clone().unwrap_or_default();
                    if service.unverified.len() < MOST_NAMES || service.unverified.contains_key(&because) {
                        *service.unverified.entry(because).or_default() += 1;
                    }
                }
                (None, _) => {}
            }
        }
        if let Some(side) = conn.side.clone() {
            self.show(&side, group);
        }
        self.client(conn.client, group);
        Ok(())
    }

    fn show(&mut self, side: &Side, group: &Group) {
        for certificate in &side.chain {
            if self.certificates.len() >= MOST_CERTIFICATES && !self.certificates.contains_key(certificate) {
                continue;
            }
            let shown = self.certificates.entry(*certificate).or_default();
            shown.connections += 1;
            shown.is_leaf |= side.leaf == Some(*certificate);
            extend(&mut shown.services, &group.keys);
        }
    }

    fn client(&mut self, name: String, group: &Group) {
        if self.clients.len() >= MOST_CLIENTS && !self.clients.contains_key(&name) {
            return;
        }
        let (client, services) = self.clients.entry(name).or_default();
        client.connections += 1;
        client.exchanges += group.exchanges;
        add(&mut client.bytes, group.bytes);
        extend(services, &group.keys);
    }

    fn connection(&mut self, number: i64) -> rusqlite::Result<Option<Conn>> {
        let sql = "SELECT fate, process, client, server_tls, findings FROM connection WHERE conn = ?1
                   ORDER BY id DESC LIMIT 1";
        let mut find = self.db.prepare_cached(sql)?;
        let mut rows = find.query([number])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let word = row.get_ref(0)?.as_str()?;
        let fate = Fate::ALL.iter().copied().find(|it| it.name() == word).unwrap_or(Fate::Failed);
        let client = match row.get::<_, Option<i64>>(1)? {
            Some(process) => self.program(process)?,
            None => address(row.get(2)?),
        };
        let side = row.get::<_, Option<i64>>(3)?.map(|id| self.side(id)).transpose()?;
        Ok(Some(Conn { fate, client, side, findings: row.get(4)? }))
    }

    fn program(&mut self, id: i64) -> rusqlite::Result<String> {
        if let Some(name) = self.programs.get(&id) {
            return Ok(name.clone());
        }
        let sql = "SELECT coalesce(exe, name) FROM process WHERE id = ?1";
        let name: String = self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        if self.programs.len() >= MOST_SIDES {
            self.programs.clear();
        }
        self.programs.insert(id, name.clone());
        Ok(name)
    }

    fn side(&mut self, id: i64) -> rusqlite::Result<Rc<Side>> {
        if let Some(side) = self.sides.get(&id) {
            return Ok(Rc::clone(side));
        }
        let sql = "SELECT version, cipher, verified, unverified_because, leaf, chain FROM tls WHERE id = ?1";
        let side = self.db.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Rc::new(Side {
                version: TlsVersion(row.get(0)?),
                cipher: row.get(1)?,
                verified: row.get(2)?,
                because: row.get(3)?,
                leaf: row.get(4)?,
                chain: serde_json::from_str(row.get_ref(5)?.as_str()?).unwrap_or_default(),
            }))
        })?;
        if self.sides.len() >= MOST_SIDES {
            self.sides.clear();
        }
        self.sides.insert(id, Rc::clone(&side));
        Ok(side)
    }

    /// Counts what was found about a connection. Out: the causes of it.
    fn findings(&mut self, number: i64, group: &Group) -> rusqlite::Result<BTreeSet<Cause>> {
        let mut find =
            self.db.prepare_cached("SELECT cause, fault, summary FROM finding WHERE conn = ?1 ORDER BY seq")?;
        let mut rows = find.query([number])?;
        let mut causes = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let (code, party) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            let Some(cause) = Cause::ALL.iter().copied().find(|it| it.code() == code) else { continue };
            let fault = Party::ALL.iter().copied().find(|it| it.name() == party).unwrap_or(cause.party());
            causes.insert(cause);
            let (counted, services) = match self.causes.entry(cause) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    let first = CauseUse { cause, fault, findings: 0, services: BTreeSet::new(), example: row.get(2)? };
                    new.insert((first, BTreeSet::new()))
                }
            };
            counted.findings += 1;
            extend(services, &group.keys);
        }
        Ok(causes)
    }

    /// Puts names where numbers are, and everything in order.
    fn end(self) -> rusqlite::Result<Stats> {
        let mut names = HashMap::new();
        for key in self.services.keys() {
            names.insert(*key, name_of(self.db, *key)?);
        }
        let named = |keys: &BTreeSet<Key>| {
            keys.iter().filter_map(|key| names.get(key)).map(|(_, service)| service.clone()).collect::<BTreeSet<_>>()
        };
        let mut stats = self.stats;
        let mut leaves: HashMap<Key, BTreeSet<String>> = HashMap::new();
        for (id, shown) in &self.certificates {
            let Some(mut certificate) = certificate(self.db, *id)? else { continue };
            certificate.is_leaf = shown.is_leaf;
            certificate.connections = shown.connections;
            certificate.services = named(&shown.services);
            if shown.is_leaf {
                shown.services.iter().for_each(|key| insert(leaves.entry(*key).or_default(), &certificate.sha256));
            }
            stats.certificates.push(certificate);
        }
        for (key, mut service) in self.services {
            (service.host, service.name) = names.get(&key).cloned().unwrap_or_default();
            service.certificates = leaves.remove(&key).unwrap_or_default();
            stats.services.push(service);
        }
        stats.clients = self
            .clients
            .into_iter()
            .map(|(name, (client, services))| ClientUse { name, services: named(&services), ..client })
            .collect();
        stats.causes =
            self.causes.into_values().map(|(it, services)| CauseUse { services: named(&services), ..it }).collect();
        stats
            .services
            .sort_by(|a, b| (b.exchanges + b.connections, &a.name).cmp(&(a.exchanges + a.connections, &b.name)));
        stats
            .clients
            .sort_by(|a, b| (b.exchanges + b.connections, &a.name).cmp(&(a.exchanges + a.connections, &b.name)));
        stats
            .certificates
            .sort_by(|a, b| (!a.is_leaf, a.not_after, &a.sha256).cmp(&(!b.is_leaf, b.not_after, &b.sha256)));
        stats.causes.sort_by_key(|it| (std::cmp::Reverse(it.findings), it.cause));
        Ok(stats)
    }
}

/// Adds the bytes of both directions.
fn add(sums: &mut [u64; 2], bytes: [u64; 2]) {
    for (sum, bytes) in sums.iter_mut().zip(bytes) {
        *sum = sum.saturating_add(bytes);
    }
}

/// The address of a client without its port.
fn address(text: Option<String>) -> String {
    let Some(text) = text else { return "unknown client".to_owned() };
    text.parse::<SocketAddr>().map_or(text, |it| it.ip().to_canonical().to_string())
}

/// Adds a name while there is room.
fn insert(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MOST_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn extend(known: &mut BTreeSet<Key>, keys: &[Key]) {
    for key in keys {
        if known.len() < MOST_NAMES {
            known.insert(*key);
        }
    }
}

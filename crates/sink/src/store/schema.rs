//! Tables of a recording. In: a connection to SQLite. Out: the tables in it, of the latest version. Spec: docs/store.md.

use std::time::Duration;

use rusqlite::Connection;

/// `PRAGMA application_id`: "sdlt", so that file(1) and we can tell a recording from other databases.
pub(super) const APPLICATION_ID: i64 = 0x7364_6c74;
/// `PRAGMA user_version` of what this program writes.
pub(super) const VERSION: i64 = 2;
/// How long a reader waits for a lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Step N brings a recording of version N to version N + 1; version 0 is an empty file.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// Brings the tables to the latest version. The caller has seen to it that the file is ours, or empty.
pub(super) fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = user_version(&transaction)?;
    for (version, step) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(0) + 1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// The version of the tables.
pub(super) fn user_version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Since this version a small body of a response stands in the row of its exchange.
pub(super) const WITH_SMALL_BODIES: i64 = 2;

/// Whose file it is.
pub(super) fn application_id(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "application_id", |row| row.get(0))
}

//! Docker's daemon, for one registry. In: the registry as images name it. Out: `/etc/docker/certs.d/HOST[:PORT]/sidelight.crt`.
//! Source: dockerd's `registry.ReadCertsDirectory`: every `*.crt` there is added to the system's roots, at each connection, without restart.

use super::{Anchor, Machine, TrustStoreError};
use crate::files::within;
use crate::journal::Transaction;
use std::path::PathBuf;

/// Puts the certificate there. A file of that name that is not from us is not overwritten.
pub(super) fn install(
    change: &mut Transaction<'_>,
    machine: &Machine<'_>,
    registry: &str,
    anchor: &Anchor,
) -> Result<(), TrustStoreError> {
    let path: PathBuf = within(machine.root, "/etc/docker/certs.d").join(registry).join("sidelight.crt");
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(TrustStoreError::Taken { path });
    }
    Ok(change.write(&path, anchor.pem().as_bytes(), 0o644)?)
}

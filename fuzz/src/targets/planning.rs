//! Adding a root to file systems that mean harm. In: a root, made of files, links and folders. Out: broken promises.

use std::collections::BTreeSet;

use sidelight_model::time::Timestamp;
use sidelight_model::trust::ChangeKind;
use sidelight_model::trust::reference::Reference;
use sidelight_wire::trust_edit::{Anchor, MemoryRoot, Plan, Request, add, remove};

/// Where things stand; the first byte of a record chooses.
const PATHS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/extra.pem",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ca-certificates.conf",
    "/usr/local/share/ca-certificates/x.crt",
    "/usr/local/share/ca-certificates",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/etc/ssl/certs/java/cacerts",
    "/usr/lib/jvm/java/lib/security/cacerts",
    "/usr/lib/python3/dist-packages/certifi/cacert.pem",
    "/etc/os-release",
    "/usr/bin/node",
    "/etc/ssl/openssl.cnf",
];

/// Plans without panic, and changes nothing outside the root or behind a link of its own.
pub fn trust_edit(data: &[u8]) {
    let root = root(data);
    let Some(known) = Reference::builtin().all().iter().find_map(|root| root.certificate.as_ref()) else { return };
    let Ok(anchor) = Anchor::any(&known.der) else { return };
    let request = Request {
        anchor: &anchor,
        at: Timestamp::from_secs(1_795_372_833),
        env: &[],
        passwords: &[],
        openssl_dirs: &[],
        only: None,
        system_only: false,
    };
    for plan in [add(&root, &request), remove(&root, &request)] {
        stays_inside(&plan);
    }
}

/// Records: a place, a kind, a length in two bytes, and the content or target.
fn root(mut data: &[u8]) -> MemoryRoot {
    let mut root = MemoryRoot::default();
    while let [place, kind, high, low, rest @ ..] = data {
        let (content, rest) = rest.split_at((usize::from(*high) << 8 | usize::from(*low)).min(rest.len()));
        let path = PATHS[usize::from(*place) % PATHS.len()];
        match kind % 3 {
            0 => root.file(path, Some(content.to_vec()), 0o644, 0, 0),
            1 => root.link(path, &String::from_utf8_lossy(content)),
            _ => root.folder(path, 0o755, 0, 0),
        }
        data = rest;
    }
    root
}

fn stays_inside(plan: &Plan) {
    let mut links = BTreeSet::new();
    for change in plan.changes() {
        let parts: Vec<&str> = change.path.split('/').skip(1).collect();
        assert!(change.path.starts_with('/'), "{:?}", change.path);
        assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")), "{change:?}");
        for (at, _) in change.path.match_indices('/').skip(1) {
            assert!(!links.contains(&change.path[..at]), "{:?} lies behind a link of the plan", change.path);
        }
        if matches!(change.kind, ChangeKind::Symlink { .. }) {
            links.insert(change.path.clone());
        }
    }
}

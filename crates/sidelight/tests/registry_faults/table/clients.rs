//! The same faults met by docker and containerd, whose words differ. Their daemons take loopback for insecure or ask without a ping.

use super::{content, tokens};
use crate::ground::Ground;
use crate::row::{Row, Sees, Tool};

const N: Sees = Sees::Names;

/// What docker meets.
const DOCKER: &[(&str, Sees)] = &[
    ("no such tag", N),
    ("no such repository", N),
    ("no registry behind /v2/", N),
    ("a page for the manifest", N),
    ("blocked with a page", N),
    ("denied", Sees::Among("its words for DENIED are those for a token that allows too little")),
    ("limit of rate", N),
    ("503 of a balancer", N),
    ("another platform", N),
    ("manifest as text", N),
    ("no such layer", N),
    ("layer altered", N),
    ("configuration altered", N),
    ("layer cut off", N),
    (
        "Basic, no login",
        Sees::Not("it takes loopback for insecure, asks again without TLS, and prints how that failed"),
    ),
    ("token server: 401, login", N),
    ("token server: a page", N),
    ("right token refused", N),
    ("token without access", N),
];

/// What containerd meets.
const CONTAINERD: &[(&str, Sees)] = &[
    ("no such tag", N),
    ("no registry behind /v2/", Sees::Among("it says `not found` of every 404")),
    ("a page for the manifest", N),
    ("blocked with a page", Sees::Among("it asks for the head alone and never sees the page")),
    ("denied", N),
    ("limit of rate", N),
    ("503 of a balancer", N),
    ("manifest as text", N),
    ("no such layer", N),
    ("layer altered", N),
    ("layer cut off", N),
    ("Basic, no login", N),
    ("token server: 401, no login", N),
    ("token server: 401, login", N),
    ("token server: 500", N),
    ("token server: a page", N),
    ("right token refused", N),
    ("token without access", N),
];

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let mut rows = Vec::new();
    for (tool, wanted) in [(Tool::Docker, DOCKER), (Tool::Ctr, CONTAINERD)] {
        let all = tokens::rows(ground).into_iter().chain(content::rows(ground));
        for row in all.filter(|row| row.tool == Tool::Pull) {
            let found = wanted.iter().find(|(name, _)| *name == row.name);
            rows.extend(found.map(|(_, explain)| row.again(tool, *explain)));
        }
    }
    assert_eq!(rows.len(), DOCKER.len() + CONTAINERD.len(), "each name is that of a row");
    rows
}

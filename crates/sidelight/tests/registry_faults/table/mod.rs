//! The table. In: the ground on which it is tried. Out: its rows, those that take longest first.

mod clients;
mod content;
mod network;
mod push;
mod tls;
mod tokens;

use sidelight_testkit::registry::{Reply, reply};

use crate::ground::Ground;
use crate::row::Row;

pub(crate) fn all(ground: &Ground) -> Vec<Row> {
    let mut rows = network::rows(ground);
    rows.extend(tls::rows(ground));
    rows.extend(tokens::rows(ground));
    rows.extend(content::rows(ground));
    rows.extend(push::rows(ground));
    rows.extend(clients::rows(ground));
    rows
}

fn json(body: &str) -> Reply {
    reply(200, &[("content-type", "application/json")], body)
}

fn html(status: u16) -> Reply {
    let page = "<html><head><title>Blocked</title></head><body>Blocked by policy</body></html>";
    reply(status, &[("content-type", "text/html")], page)
}

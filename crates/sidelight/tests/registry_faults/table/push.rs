//! Pushes. `registry check` pulls; what only a push meets is named by the others.

use sidelight_testkit::registry::{Asked, Reply, good, refusal, reply};

use super::html;
use crate::ground::Ground;
use crate::row::{Row, Tool};

const NO_PUSH: &str = "it pulls, and a pull works";

/// A registry that takes uploads, but for `fault`.
fn taking(asked: &Asked) -> Reply {
    let is = |method: &str, part: &str| asked.method == method && asked.path.contains(part);
    match () {
        () if is("HEAD", "/blobs/") => refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"),
        () if is("POST", "/blobs/uploads/") => reply(202, &[("location", "/v2/team/app/blobs/uploads/one")], ""),
        () if is("PATCH", "/blobs/uploads/") => {
            reply(202, &[("location", "/v2/team/app/blobs/uploads/one"), ("range", "0-0")], "")
        }
        () if is("PUT", "/") => reply(201, &[], ""),
        () => good(asked),
    }
}

fn row(
    ground: &Ground,
    name: &'static str,
    cause: &'static str,
    (method, part): (&'static str, &'static str),
    answer: Reply,
) -> Row {
    Row::answering(ground, name, cause, move |asked| {
        if asked.method == method && asked.path.contains(part) { answer.clone() } else { taking(asked) }
    })
    .by(Tool::Push)
    .unchecked(NO_PUSH)
}

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let chunk = ("PATCH", "/uploads/");
    vec![
        row(
            ground,
            "upload unknown",
            "upload_lost",
            chunk,
            refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        ),
        row(ground, "layer too large", "body_too_large", chunk, html(413)),
        row(
            ground,
            "manifest refused",
            "upload_refused",
            ("PUT", "/manifests/"),
            refusal(400, "MANIFEST_INVALID", "manifest invalid"),
        ),
        row(
            ground,
            "push into a cache",
            "unsupported",
            ("POST", "/uploads/"),
            refusal(405, "UNSUPPORTED", "The operation is unsupported."),
        ),
        row(
            ground,
            "registry's disk is full",
            "registry_failed",
            ("PUT", "/uploads/"),
            refusal(500, "UNKNOWN", "unknown error"),
        ),
        row(
            ground,
            "push denied",
            "access_denied",
            ("POST", "/uploads/"),
            refusal(403, "DENIED", "requested access to the resource is denied"),
        ),
    ]
}

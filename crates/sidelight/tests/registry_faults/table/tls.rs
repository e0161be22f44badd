//! Certificates: of the registry, its token server, its storage, and the client's own.

use sidelight_testkit::registry::{good, refusal, reply, serve};
use sidelight_testkit::{Issuer, Leaf};

use crate::ground::Ground;
use crate::row::{Row, Tool};

const SAME_WORDS: &str =
    "clients print `certificate signed by unknown authority` for each kind of chain that does not end at a root";

fn leaf() -> Leaf {
    Leaf::named(&["registry.test", "auth.test", "storage.test"])
}

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let root = &ground.root;
    let other = Issuer::root("Another Root");
    let row = |name, cause, identity: sidelight_testkit::Identity| {
        Row::showing(name, cause, identity.server_config(&["http/1.1"]), good)
    };
    let below = root.intermediate("Registry Intermediate");
    let interceptor = Issuer::root("Zscaler Root CA");
    vec![
        row("unknown root", "root_not_trusted", other.issue(&leaf())),
        row("unknown root, podman", "root_not_trusted", other.issue(&leaf())).by(Tool::Podman),
        row("expired", "cert_expired", root.issue(&leaf().expired())),
        row("not yet valid", "cert_not_yet_valid", root.issue(&leaf().not_yet_valid())),
        row("another name", "hostname_mismatch", root.issue(&Leaf::named(&["other.test"]))),
        row("common name alone", "no_san", root.issue(&leaf_in_common_name())),
        row("for clients", "leaf_not_for_server", root.issue(&leaf().for_clients())),
        row("signed by itself", "self_signed_leaf", leaf().self_signed()).among(SAME_WORDS),
        row("no intermediate", "missing_intermediate", below.issue(&leaf().without_chain())).among(SAME_WORDS),
        row("intercepted", "tls_intercepted", interceptor.issue(&leaf())).among(SAME_WORDS),
        Row::showing(
            "client certificate missing",
            "client_cert_required",
            root.issue(&leaf()).demanding_config(&other),
            good,
        ),
        storage(ground, &other),
        token_server(ground, &other),
    ]
}

fn leaf_in_common_name() -> Leaf {
    Leaf::named(&["registry.test"]).in_common_name()
}

/// Blobs come from a host with a root that nobody knows.
fn storage(ground: &Ground, other: &Issuer) -> Row {
    let storage = serve(Some(other.issue(&leaf()).server_config(&["http/1.1"])), good);
    let to = format!("https://storage.test:{}", storage.address.port());
    Row::answering(ground, "storage with unknown root", "root_not_trusted", move |asked| {
        match asked.path.contains("/blobs/") {
            true => reply(307, &[("location", &format!("{to}{}", asked.path))], ""),
            false => good(asked),
        }
    })
    .beside(storage)
}

fn token_server(ground: &Ground, other: &Issuer) -> Row {
    let tokens = serve(Some(other.issue(&leaf()).server_config(&["http/1.1"])), good);
    let realm = format!("https://auth.test:{}/token", tokens.address.port());
    Row::answering(ground, "token server with unknown root", "root_not_trusted", move |_| {
        refusal(401, "UNAUTHORIZED", "authentication required")
            .with("www-authenticate", &format!(r#"Bearer realm="{realm}",service="svc""#))
    })
    .beside(tokens)
}

//! What a port says without TLS. In: what it is told. Out: its first bytes, and which protocol they are.

use std::time::Duration;

use sidelight_model::diagnose::{Plain, PlainWords, Question, Spoken, Variant};
use sidelight_wire::greeting;
use sidelight_wire::starttls::client::Protocol;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::Ways;
use super::reach::{bare, dialogue};
use crate::transport::hear;

/// A server that speaks first does so at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are kept.
const MOST: usize = 512;

/// Says the words and hears the answer.
pub(super) async fn say(question: &Question, ways: &Ways, words: PlainWords) -> Plain {
    let mut answer = Plain { words, heard: Vec::new(), spoken: Spoken::Unknown, upgrades: false };
    let Ok(mut reached) = bare(question, ways, &Variant::AsAsked).await else { return answer };
    let patience = question.patience.min(PATIENCE);
    match words {
        PlainWords::Starttls(name) => {
            let Ok(protocol) = name.parse::<Protocol>() else { return answer };
            if let Ok((outcome, heard)) = timeout(patience, dialogue(protocol, question, &mut reached.conn)).await {
                // A refusal in the protocol's own words proves the protocol as well.
                answer.upgrades = !heard.is_empty() && (outcome.is_ok() || refused_in_protocol(protocol, &heard));
                answer.heard = heard;
            }
        }
        PlainWords::Silence | PlainWords::Http => {
            if words == PlainWords::Http {
                let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", question.target);
                let _ = reached.conn.write_all(request.as_bytes()).await;
            }
            let _ = timeout(patience, hear(&mut reached.conn, &mut answer.heard)).await;
        }
    }
    answer.heard.truncate(MOST);
    answer.spoken = spoken(&answer.heard);
    answer
}

fn refused_in_protocol(protocol: Protocol, heard: &[u8]) -> bool {
    match protocol {
        Protocol::Postgres => heard == b"N",
        Protocol::Ldap => matches!(heard, [0x30, _, 2, 1, ..]),
        Protocol::Xmpp => heard.windows(13).any(|part| part == b"stream:stream"),
        _ => false,
    }
}

/// Names a protocol by its first bytes.
pub(super) fn spoken(heard: &[u8]) -> Spoken {
    match greeting::name(heard) {
        greeting::Spoken::Http => Spoken::Http,
        greeting::Spoken::Upgrades(protocol) => Spoken::Upgrades(protocol.name()),
        greeting::Spoken::Other(name) => Spoken::Other(name),
        greeting::Spoken::Unknown => Spoken::Unknown,
    }
}

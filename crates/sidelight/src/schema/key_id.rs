//! What `registry key-id --json` prints: a list with one object a key. In: the answer. Out: JSON.

use serde_json::{Map, Value, json};
use sidelight_model::redact::sha256_hex;
use sidelight_model::token::kid::{self, Match};
use sidelight_model::token::{Generation, TokenKey};
use sidelight_wire::key_file;

/// A key with where it stands.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The file's name, as it was given.
    pub(crate) file: String,
    /// The key.
    pub(crate) found: key_file::FoundKey,
    /// What the ID that is asked for is of this key.
    pub(crate) matched: Option<Match>,
}

/// The whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Every key of every file, in order.
    pub(crate) keys: Vec<Shown>,
    /// The ID that is asked for, taken out of what was given.
    pub(crate) wanted: Option<String>,
    /// What that ID tells by itself.
    pub(crate) shape: Vec<String>,
}

/// The document.
pub(crate) fn document(answer: &Answer) -> Value {
    Value::Array(answer.keys.iter().map(|shown| key(shown, answer)).collect())
}

fn key(shown: &Shown, answer: &Answer) -> Value {
    let found = &shown.found;
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("file", json!(shown.file));
    set("line", json!(found.line));
    set("kind", json!(found.kind));
    match &found.key {
        Ok(key) => {
            set("key", json!(key.kind()));
            set("sha256", json!(sha256_hex(&key.spki)));
            set("libtrust", json!(kid::of(Generation::V2, key)));
            set("rfc7638", json!(kid::rfc7638(key)));
            set("by_registry", by_registry(key));
        }
        Err(why) => {
            set("error", json!(why));
        }
    }
    if let Some(id) = &found.own_id {
        set("own_kid", json!(id));
    }
    if let Some(wanted) = &answer.wanted {
        let matched = shown.matched.as_ref().map(|it| {
            let found_by: Vec<&str> = it.found_by.iter().map(|generation| generation.name()).collect();
            json!({"is": it.words, "right": it.is_right, "found_by": found_by})
        });
        set("match", json!({"kid": wanted, "this_key": matched, "shape": answer.shape}));
    }
    Value::Object(object)
}

fn by_registry(key: &TokenKey) -> Value {
    Generation::ALL.iter().map(|it| (it.name().to_owned(), json!(kid::of(*it, key)))).collect::<Map<_, _>>().into()
}

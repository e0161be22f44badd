//! `tofu pins`. In: a record. Out: what it holds, or the record with a change.

use serde_json::{Value, json};
use sidelight_engine::probe;
use sidelight_model::tofu::{Endpoint, Genesis, Record};
use sidelight_wire::known_roots::write_record;

use super::record::{Pins, Saved};
use crate::cli::{self, PinsAccept, PinsForget, PinsInit, PinsVerb};
use crate::exit::{Exit, Failure};
use crate::render::escape;

/// Does it.
///
/// # Errors
/// When the record cannot be read or written.
pub(super) fn run(verb: &PinsVerb, json: bool) -> Result<Exit, Failure> {
    match verb {
        PinsVerb::List(place) => list(&Pins::of_operator(place)?, None, json),
        PinsVerb::Show(show) => list(&Pins::of_operator(&show.place)?, Some(&endpoint(&show.host)), json),
        PinsVerb::Init(init) => {
            make_folder(&init.place.pins)?;
            Pins::of_operator(&init.place)?.settle(|pins| begin(pins, init, json))
        }
        PinsVerb::Accept(accept) => Pins::of_operator(&accept.place)?.settle(|pins| self::accept(pins, accept, json)),
        PinsVerb::Forget(forget) => Pins::of_operator(&forget.place)?.settle(|pins| self::forget(pins, forget, json)),
    }
}

/// Where a host is recorded that is reached directly.
fn endpoint(host: &cli::Endpoint) -> Endpoint {
    Endpoint::direct(&host.authority(443))
}

fn endpoint_of(text: &str) -> Result<Endpoint, Failure> {
    if text == "*" {
        return Ok(Endpoint::any());
    }
    text.parse::<cli::Endpoint>().map(|host| endpoint(&host)).map_err(Failure::usage)
}

fn list(pins: &Pins, only: Option<&Endpoint>, json: bool) -> Result<Exit, Failure> {
    let place = escape::line(&pins.place);
    if !pins.is_there() {
        return Err(Failure::new(format!("there is no record at {place}"))
            .hint(format!("begin one: sidelight tofu pins init --pins {}", super::told::shell(&pins.place))));
    }
    let known = pins.known();
    let wanted =
        |record: &&Record| only.is_none_or(|only| record.endpoint.at == only.at || record.endpoint.covers(only));
    let records: Vec<&Record> = known.records.iter().filter(wanted).collect();
    if json {
        let value = document(pins, &records, None);
        println!("{value}");
    } else {
        match (&known.genesis, records.len()) {
            (None, 0) => println!("{place} records nothing, and was not begun: the policy tofu refuses with it"),
            (Some(genesis), 0) if only.is_none() => {
                println!(
                    "{place} records nothing yet; begun {}: the first start under the policy tofu may adopt a key",
                    genesis.at.date()
                );
            }
            (_, 0) => println!("{place} records nothing for {}", only.map(ToString::to_string).unwrap_or_default()),
            (_, count) => println!("{place} records {count} endpoint{}", if count == 1 { "" } else { "s" }),
        }
        for record in &records {
            show(record);
        }
        for (key, why) in &known.revoked {
            println!(
                "\nrevoked {key}{}",
                why.as_ref().map(|why| format!(": {}", escape::line(why))).unwrap_or_default()
            );
        }
    }
    Ok(if only.is_some() && records.is_empty() { Exit::No } else { Exit::Done })
}

fn document(pins: &Pins, records: &[&Record], done: Option<&str>) -> Value {
    let known = pins.known();
    let mut value = json!({
        "v": 1,
        "type": "tofu-pins",
        "place": pins.place,
        "genesis": known.genesis.as_ref().map(|it| json!({"at": it.at.rfc3339_seconds(), "by": it.by})),
        "records": records.iter().map(|record| shape(record)).collect::<Vec<_>>(),
        "revoked": known.revoked.iter().map(|(key, why)| json!({"key": key.to_string(), "why": why})).collect::<Vec<_>>(),
    });
    if let Some(done) = done {
        value["done"] = done.into();
    }
    value
}

/// Says what became of a record; in JSON, the whole of it with the deed.
fn answer(pins: &Pins, done: &str, text: &str, json: bool) {
    if json {
        eprintln!("{text}");
        println!("{}", document(pins, &pins.known().records.iter().collect::<Vec<_>>(), Some(done)));
    } else {
        println!("{text}");
    }
}

fn show(record: &Record) {
    let date = |at: Option<sidelight_model::time::Timestamp>| at.map(|at| at.date());
    println!("\n{}", escape::line(&record.endpoint.to_string()));
    let field = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            println!("  {name:<8} {}", escape::line(&value));
        }
    };
    record.keys.iter().for_each(|key| field("key", Some(key.to_string())));
    record.next.iter().for_each(|key| field("next", Some(key.to_string())));
    field("subject", record.subject.clone());
    field("until", date(record.until));
    field("scope", record.scope.as_ref().map(ToString::to_string));
    field("first", date(record.first));
    field("last", date(record.last));
    field("by", record.by.clone());
    field("expires", record.expires.map(|at| at.rfc3339_seconds()));
}

fn shape(record: &Record) -> Value {
    let keys = |keys: &[sidelight_model::tofu::KeyPin]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    let time = |at: Option<sidelight_model::time::Timestamp>| at.map(|at| at.rfc3339_seconds());
    json!({
        "endpoint": record.endpoint.at.as_deref().unwrap_or("*"), "sni": record.endpoint.sni, "via": record.endpoint.via,
        "keys": keys(&record.keys), "next": keys(&record.next), "ca_sha256": record.ca, "subject": record.subject,
        "until": time(record.until), "scope": record.scope.as_ref().map(ToString::to_string), "first": time(record.first),
        "last": time(record.last), "by": record.by, "expires": time(record.expires),
    })
}

/// The folder of a record that is a file: images made from nothing have none.
fn make_folder(place: &str) -> Result<(), Failure> {
    let folder =
        std::path::Path::new(place).parent().filter(|folder| !place.contains("://") && !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(format!("{} cannot be made: {error}", escape::line(&folder.display().to_string())))
    })
}

fn begin(pins: &mut Pins, options: &PinsInit, json: bool) -> Result<Option<Exit>, Failure> {
    let place = escape::line(&pins.place);
    if let Some(genesis) = &pins.known().genesis {
        let text = format!("{place} was begun {} already; nothing is changed", genesis.at.date());
        answer(pins, "nothing", &text, json);
        return Ok(Some(Exit::Done));
    }
    writable(pins)?;
    pins.document_mut().begin(Genesis { at: probe::now(), by: options.by.clone() });
    if pins.save()? == Saved::Conflict {
        return Ok(None);
    }
    let text = format!(
        "{place} is begun: the first start under the policy tofu may adopt a key, and every later one compares with it"
    );
    answer(pins, "begun", &text, json);
    Ok(Some(Exit::Done))
}

fn writable(pins: &Pins) -> Result<(), Failure> {
    if pins.is_writable() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} cannot be written: its folder is missing, or not ours to write",
        escape::line(&pins.place)
    )))
}

fn accept(pins: &mut Pins, options: &PinsAccept, json: bool) -> Result<Option<Exit>, Failure> {
    writable(pins)?;
    let endpoint = endpoint_of(&options.host)?;
    if let Some((_, why)) = pins.known().revoked.iter().find(|(key, _)| *key == options.key) {
        let why = why.as_ref().map(|why| format!(" ({})", escape::line(why))).unwrap_or_default();
        return Err(Failure::new(format!("{} is revoked{why}", options.key)).hint(format!(
            "a revoked key is used again only when its line is taken out of {} by hand",
            escape::line(&pins.place)
        )));
    }
    let now = probe::now();
    let known = pins.known().records.iter().find(|record| record.endpoint == endpoint).cloned();
    let mut record = known.unwrap_or_else(|| Record { first: Some(now), ..Record::new(endpoint.clone(), Vec::new()) });
    let is_new_key = !record.keys.contains(&options.key);
    if options.next {
        if record.keys.is_empty() {
            return Err(Failure::usage("--next: no key is in use for this host yet, after which one could follow")
                .hint("leave --next out"));
        }
        record.next.retain(|next| *next != options.key);
        record.next.push(options.key);
    } else {
        if options.replace {
            record.keys.clear();
            record.first = Some(now);
        }
        record.next.retain(|next| *next != options.key);
        if !record.keys.contains(&options.key) {
            record.keys.push(options.key);
        }
        if is_new_key {
            // What was known of the old certificate says nothing of this key.
            (record.ca, record.subject, record.until, record.last) = (None, None, None, None);
        }
    }
    record.expires = None;
    record.by = options.by.clone().or(record.by);
    record.scope = options.scope.clone().or(record.scope);
    let line = write_record(&record);
    pins.document_mut().put(record);
    if pins.save()? == Saved::Conflict {
        return Ok(None);
    }
    let text = format!("recorded in {}:\n{}", escape::line(&pins.place), escape::line(&line));
    answer(pins, "accepted", &text, json);
    Ok(Some(Exit::Done))
}

fn forget(pins: &mut Pins, options: &PinsForget, json: bool) -> Result<Option<Exit>, Failure> {
    writable(pins)?;
    let place = escape::line(&pins.place);
    if let Some(key) = options.revoke {
        pins.document_mut().revoke(key, options.why.clone());
        if pins.save()? == Saved::Conflict {
            return Ok(None);
        }
        answer(pins, "revoked", &format!("revoked in {place}: {key}; every start that meets it is refused"), json);
        return Ok(Some(Exit::Done));
    }
    let endpoint = endpoint_of(options.host.as_deref().unwrap_or_default())?;
    let of_host: Vec<Endpoint> =
        pins.known().records.iter().map(|it| it.endpoint.clone()).filter(|it| it.at == endpoint.at).collect();
    if of_host.is_empty() {
        let text = format!("{place} records nothing for {}", escape::line(&endpoint.to_string()));
        answer(pins, "nothing", &text, json);
        return Ok(Some(Exit::No));
    }
    of_host.iter().for_each(|endpoint| {
        pins.document_mut().forget(endpoint);
    });
    if pins.save()? == Saved::Conflict {
        return Ok(None);
    }
    let after = if pins.known().genesis.is_some() {
        "; the next start under the policy tofu may adopt a key again"
    } else {
        ""
    };
    let text = format!("forgotten in {place}: {}{after}", escape::line(&endpoint.to_string()));
    answer(pins, "forgotten", &text, json);
    Ok(Some(Exit::Done))
}

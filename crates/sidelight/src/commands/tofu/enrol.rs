//! `tofu enrol`: the operator's look at the issuers of hosts. In: hosts. Out: what they show, and, when told so, a record of it as a file,
//! a ConfigMap, a Secret, a piece of compose or Helm values.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::json;
use sidelight_engine::probe;
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{Decision, Genesis, KnownRoots, Match, Policy, Record, Shown, Surroundings, decide};
use sidelight_model::x509::fingerprint;
use sidelight_wire::known_roots::Document;

use super::look::{Looker, Seen};
use super::record::{Copy, Pins, Reach, Saved};
use super::{start, told};
use crate::cli::{EnrolCommand, EnrolFormat, OnUnreachable, TofuLook};
use crate::exit::{Exit, Failure};
use crate::render::escape;
use crate::ui::Ui;

/// Looks, shows, asks, records.
///
/// # Errors
/// When the record cannot be read or written.
pub(super) fn run(options: &EnrolCommand, ui: Ui, json: bool) -> Result<Exit, Failure> {
    let now = probe::now();
    let mut pins = options.pins.as_deref().map(|place| Pins::open(place, &reach(options))).transpose()?;
    let looker = Arc::new(Looker::new(&look(options), &[], &options.issuers, now)?);
    let seen = looker.all(&options.hosts)?;
    let mut document = pins.as_ref().map(|pins| pins.document().clone()).unwrap_or_default();
    let around = Surroundings {
        policy: Policy::Enrol,
        has_genesis: true,
        is_writable: pins.as_ref().is_none_or(Pins::is_writable),
        is_lasting: true,
        continue_unreachable: false,
        lacks_evidence: false,
    };
    let (mut records, mut trouble) = (Vec::new(), false);
    for it in &seen {
        let named: Vec<_> = told::issuers(&it.shown).iter().map(sidelight_model::tofu::Candidate::named).collect();
        let known = document.known.of_keys(&it.endpoint, &named, now);
        match decide(&around, &it.shown, &known) {
            Decision::Ask => {
                if ask(it, &known, options.yes, ui)? {
                    let Some(candidate) = told::issuers(&it.shown).first() else { continue };
                    let by = options.by.as_deref().unwrap_or("enrol");
                    let mut record = start::record_of(&it.endpoint, candidate, by, options.scope.clone(), now);
                    // A record without the way speaks for every way: the proxy may be named elsewhere.
                    record.endpoint.via = None;
                    records.push(record);
                } else {
                    trouble = true;
                }
            }
            Decision::Refuse(refusal) => {
                trouble = true;
                let decision = Decision::Refuse(refusal);
                ui.warning(&told::line(it, &decision, ""));
            }
            decision => ui.note(&told::line(it, &decision, "")),
        }
    }
    if let Some(pins) = pins.as_mut().filter(|_| !records.is_empty()) {
        write(pins, &document.known, &records, options, now)?;
        document = pins.document().clone();
        ui.note(&format!("recorded in {}", escape::line(&pins.place)));
    } else {
        put(&mut document, &records, options, now);
    }
    if json {
        println!("{}", shape(&seen, &document));
    } else if !document.known.records.is_empty() {
        print!("{}", output(&document, options.format));
    }
    Ok(if trouble { Exit::No } else { Exit::Done })
}

/// Writes what was answered yes to, unless another recorded a key for the same host since `before`.
fn write(
    pins: &mut Pins,
    before: &KnownRoots,
    records: &[Record],
    options: &EnrolCommand,
    now: Timestamp,
) -> Result<(), Failure> {
    pins.settle(|pins| {
        if let Some(other) = records.iter().find(|it| pins.known().of(&it.endpoint) != before.of(&it.endpoint)) {
            let endpoint = escape::line(&other.endpoint.to_string());
            return Err(Failure::new(format!(
                "{endpoint}: another recorded a key for it meanwhile; nothing is recorded"
            ))
            .hint("run this again, and compare once more"));
        }
        put(pins.document_mut(), records, options, now);
        Ok((pins.save()? == Saved::Yes).then_some(()))
    })
}

fn put(document: &mut Document, records: &[Record], options: &EnrolCommand, now: Timestamp) {
    records.iter().for_each(|record| document.put(record.clone()));
    if !records.is_empty() && document.known.genesis.is_none() {
        document.begin(Genesis { at: now, by: options.by.clone() });
    }
}

fn reach(options: &EnrolCommand) -> Reach<'_> {
    Reach { nats: &options.nats, copy: Copy::None, step: options.timeout.0, total: options.timeout.0 }
}

fn look(options: &EnrolCommand) -> TofuLook {
    TofuLook {
        host: Vec::new(),
        via_proxy: options.via_proxy.clone(),
        sni: None,
        starttls: None,
        cert: None,
        key: None,
        timeout: options.timeout,
        deadline: crate::cli::Period(std::time::Duration::ZERO),
        on_unreachable: OnUnreachable::Fail,
        no_fetch: options.no_fetch,
    }
}

/// Shows what a host has, and asks; without a terminal nobody can answer.
fn ask(seen: &Seen, known: &Match, yes: bool, ui: Ui) -> Result<bool, Failure> {
    let Some(top) = told::issuers(&seen.shown).first() else { return Ok(false) };
    let endpoint = escape::line(&seen.endpoint.to_string());
    let certificate = &top.certificate;
    ui.note(&format!("{endpoint} is signed by {}", escape::line(&certificate.subject)));
    ui.note(&format!("  key          {}", top.key));
    ui.note(&format!(
        "  certificate  sha256 {}, until {}",
        fingerprint(&certificate.der),
        certificate.not_after.date()
    ));
    if !certificate.is_self_signed() {
        ui.note(&format!("  its own issuer is not sent: {}", escape::line(&certificate.issuer)));
    }
    if let Match::Other { recorded } = known {
        for key in recorded {
            ui.warning(&format!("{endpoint}: recorded is another key: {key}"));
        }
    }
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to say yes")
            .hint("compare the key above with what the proxy's operator says, then: --yes"));
    }
    eprint!("Record this key? Compare it first, by another way than this network. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn shape(seen: &[Seen], document: &Document) -> serde_json::Value {
    let one = |it: &Seen| {
        let top = told::issuers(&it.shown).first();
        let shown = match &it.shown {
            Shown::Unreachable(_) => "unreachable",
            Shown::Trusted => "trusted",
            Shown::UnknownIssuer(_) => "unknown_issuer",
            Shown::NoIssuer { .. } => "no_issuer",
            Shown::Broken { .. } => "broken",
        };
        json!({"endpoint": it.endpoint.at, "shown": shown, "key": top.map(|it| it.key.to_string()),
            "subject": top.map(|it| it.certificate.subject.clone()), "ca_sha256": top.map(|it| fingerprint(&it.certificate.der))})
    };
    json!({"v": 1, "type": "tofu-enrol", "hosts": seen.iter().map(one).collect::<Vec<_>>(), "known_roots": document.write()})
}

fn output(document: &Document, format: EnrolFormat) -> String {
    let text = document.write();
    let indented = |by: usize| -> String { text.lines().map(|line| format!("{:by$}{line}\n", "")).collect() };
    match format {
        EnrolFormat::KnownRoots => text,
        EnrolFormat::Kubernetes => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: sidelight-known-roots\ndata:\n  known-roots: |\n{}",
            indented(4)
        ),
        EnrolFormat::Secret => format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: sidelight-known-roots\ntype: Opaque\ndata:\n  known-roots: {}\n",
            BASE64.encode(text.as_bytes())
        ),
        EnrolFormat::Compose => format!(
            "configs:\n  sidelight-known-roots:\n    content: |\n{}services:\n  SERVICE:\n    configs:\n      - source: sidelight-known-roots\n        target: /var/lib/sidelight/known-roots\n",
            indented(6).replace('$', "$$")
        ),
        EnrolFormat::Helm => format!("sidelight:\n  knownRoots: |\n{}", indented(4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_holds_the_file() {
        let text = "# sidelight known roots 1\na.test:443 sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= subject=\"CN=$x: y\"\n";
        let document = Document::read(text.as_bytes()).unwrap();
        assert_eq!(output(&document, EnrolFormat::KnownRoots), text);
        assert!(output(&document, EnrolFormat::Kubernetes).contains("\n    a.test:443 sha256//"));
        assert!(output(&document, EnrolFormat::Secret).contains(&BASE64.encode(text.as_bytes())));
        assert!(output(&document, EnrolFormat::Compose).contains("CN=$$x"));
        assert!(output(&document, EnrolFormat::Helm).contains("\n    a.test:443"));
    }
}

//! Looks, decides, installs, and becomes the command. In: options. Out: the command in our place. Spec: docs/tofu.md.

use std::sync::Arc;

use sidelight_engine::probe;
use sidelight_host::first_use::{Became, Lasting, become_command, drop_rights};
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{
    Decision, Endpoint, KnownRoots, Match, Policy, Record, Rule, Scope, Surroundings, decide, same_scanner,
};
use sidelight_model::x509::fingerprint;

use super::install::{Adopted, install, prepare};
use super::log::Logger;
use super::look::{Looker, Seen};
use super::record::{Copy, Pins, Reach, Saved};
use super::told::{self, Context};
use super::wanted::Wanted;
use crate::cli::{Evidence, OnUnreachable, TofuCommand};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// A record's `last` is written once a day at the most: version control and volumes are spared the rest.
const SELDOM: i64 = 24 * 3600;

/// Starts the command.
///
/// # Errors
/// When anything speaks against starting it; nothing is written then.
pub(super) fn run(command: &TofuCommand, ui: Ui, json: bool) -> Result<Exit, Failure> {
    let Some(wanted) = Wanted::of(command, ui)? else { return become_it(command, None, &[]) };
    let now = probe::now();
    let logger = Logger::open(&wanted.start, json, now, ui)?;
    let mut pins = Pins::open(&wanted.trust.pins, &reach(command, &wanted))?;
    let looker = Arc::new(Looker::new(&wanted.look, &wanted.trust.roots, &wanted.trust.issuers, now)?);
    let seen = looker.all(&wanted.look.host)?;
    if std::env::var("TLS_TOFU_DEBUG").is_ok_and(|value| value == "true") {
        seen.iter().flat_map(told::chain_lines).for_each(|line| ui.note(&line));
    }
    let (prepared, decided) = pins.settle(|pins| {
        let (known, decided) = judged(pins, &seen, &wanted, &logger, now, ui)?;
        let adopted = adopted(&seen, &decided, &known, &wanted);
        let prepared = prepare(&adopted, now)?;
        // What is recorded comes first: a start that ends between the two has trusted nobody whom the next one does not know.
        let saved = record(pins, &seen, &decided, &wanted, now)?;
        Ok((saved == Saved::Yes).then_some((prepared, decided)))
    })?;
    pins.remarks().iter().for_each(|remark| ui.warning(remark));
    let all = || seen.iter().zip(&decided).map(|(it, (_, decision))| (it, decision));
    let installed = install(&prepared, &wanted.start, now, ui).inspect_err(|why| {
        // What was adopted is recorded by now.
        all().for_each(|(it, decision)| logger.failed(it, decision, &wanted, why));
    })?;
    for (it, decision) in all() {
        logger.decided(it, decision, &wanted, &installed, &told::line(it, decision, &pins.place))?;
    }
    drop(pins);
    become_it(command, wanted.user.as_ref(), &installed.set)
}

/// How the record is reached.
fn reach<'a>(command: &'a TofuCommand, wanted: &'a Wanted) -> Reach<'a> {
    let copy = wanted.trust.pins_cache.as_deref().map_or(Copy::Usual, Copy::At);
    Reach { nats: &command.nats, copy, step: wanted.look.timeout.0, total: wanted.look.deadline.0 }
}

type Decided = Vec<(Match, Decision)>;

/// Decides for every host; any that is refused ends it.
fn judged(
    pins: &mut Pins,
    seen: &[Seen],
    wanted: &Wanted,
    logger: &Logger,
    now: Timestamp,
    ui: Ui,
) -> Result<(KnownRoots, Decided), Failure> {
    let known = with_inline(pins.known(), wanted);
    let lasting = if wanted.trust.record_may_vanish { Lasting::Yes } else { pins.lasting() };
    let around = Surroundings {
        // A copy says nothing of what the fleet adopted since.
        policy: if pins.copy_serves().is_some() && wanted.policy == Policy::Tofu { Policy::Pin } else { wanted.policy },
        has_genesis: known.genesis.is_some(),
        is_writable: pins.is_writable(),
        is_lasting: lasting == Lasting::Yes,
        continue_unreachable: wanted.look.on_unreachable == OnUnreachable::Continue,
        lacks_evidence: wanted.trust.evidence == Some(Evidence::TwoHosts)
            && !same_scanner(seen.iter().map(|it| (&it.name, &it.shown))),
    };
    let decide = |it: &Seen| {
        let recorded = recorded(&known, it, now);
        let decision = decide(&around, &it.shown, &recorded);
        (recorded, decision)
    };
    let decided: Decided = seen.iter().map(decide).collect();
    for (it, (recorded, decision)) in seen.iter().zip(&decided) {
        if let Decision::Refuse(refusal) = decision {
            pins.remarks().iter().for_each(|remark| ui.warning(remark));
            let of = known.of(&it.endpoint);
            let context = Context {
                place: &pins.place,
                is_there: pins.is_there(),
                recorded,
                lasting: &lasting,
                known: of.first().copied(),
            };
            let failure = told::failure(it, refusal, &context);
            logger.failed(it, decision, wanted, &failure);
            return Err(failure);
        }
    }
    Ok((known, decided))
}

/// The record with the pins of the command line, which speak for every host.
fn with_inline(known: &KnownRoots, wanted: &Wanted) -> KnownRoots {
    let mut known = known.clone();
    if !wanted.trust.pin.is_empty() {
        known.records.push(Record::new(Endpoint::any(), wanted.trust.pin.clone()));
    }
    known
}

fn recorded(known: &KnownRoots, seen: &Seen, now: Timestamp) -> Match {
    let named: Vec<_> = told::issuers(&seen.shown).iter().map(sidelight_model::tofu::Candidate::named).collect();
    known.of_keys(&seen.endpoint, &named, now)
}

/// The CAs that are to be installed, each with all that it may speak for.
fn adopted(seen: &[Seen], decided: &[(Match, Decision)], known: &KnownRoots, wanted: &Wanted) -> Vec<Adopted> {
    let mut all: Vec<Adopted> = Vec::new();
    for (it, (_, decision)) in seen.iter().zip(decided) {
        let place = match decision {
            Decision::Install { place, .. } => *place,
            Decision::Adopt => 0,
            _ => continue,
        };
        let Some(candidate) = told::issuers(&it.shown).get(place) else { continue };
        let of_record = known.of(&it.endpoint).into_iter().find_map(|record| record.scope.clone());
        let scope = wanted.trust.scope.clone().or(of_record).unwrap_or_else(|| Scope::of([&it.name]));
        let host = (it.name.clone(), it.chain.clone());
        match all.iter_mut().find(|known| known.ca.public_key == candidate.certificate.public_key) {
            Some(known) => {
                known.scope = known.scope.and(&scope);
                known.hosts.push(host);
            }
            None => all.push(Adopted { ca: candidate.certificate.clone(), scope, hosts: vec![host] }),
        }
    }
    all
}

/// Writes what was adopted, and what is new of what was known.
fn record(
    pins: &mut Pins,
    seen: &[Seen],
    decided: &[(Match, Decision)],
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Saved, Failure> {
    let mut changed = false;
    let mut is_adoption = false;
    for (it, (_, decision)) in seen.iter().zip(decided) {
        match decision {
            Decision::Adopt => {
                let Some(candidate) = told::issuers(&it.shown).first() else { continue };
                pins.document_mut().put(record_of(&it.endpoint, candidate, "tofu", wanted.trust.scope.clone(), now));
                (changed, is_adoption) = (true, true);
            }
            Decision::Install { place, rule } if pins.is_writable() => {
                let own = pins.known().records.iter().find(|record| record.endpoint.covers(&it.endpoint)).cloned();
                let (Some(mut record), Some(candidate)) = (own, told::issuers(&it.shown).get(*place)) else { continue };
                let (key, certificate) = candidate.named();
                let is_seldom = record.last.is_none_or(|last| now.as_secs() - last.as_secs() >= SELDOM);
                let is_new = record.ca.as_ref() != Some(&certificate) || *rule == Rule::Next;
                if record.endpoint.at.is_none() || !(is_seldom || is_new) {
                    continue;
                }
                if *rule == Rule::Next {
                    record.next.retain(|next| *next != key);
                    record.keys.push(key);
                }
                if record.keys.contains(&key) {
                    (record.ca, record.until) = (Some(certificate), Some(candidate.certificate.not_after));
                    record.subject = Some(candidate.certificate.subject.clone());
                }
                record.last = Some(now);
                pins.document_mut().put(record);
                changed = true;
            }
            _ => {}
        }
    }
    match (changed, is_adoption) {
        (false, _) => Ok(Saved::Yes),
        (true, true) => pins.save(),
        // What was seen when is good to know, but no reason not to start; another replica may have written the same.
        (true, false) => {
            let _ = pins.save();
            Ok(Saved::Yes)
        }
    }
}

/// The record of a CA for an endpoint.
pub(super) fn record_of(
    endpoint: &Endpoint,
    candidate: &sidelight_model::tofu::Candidate,
    by: &str,
    scope: Option<Scope>,
    now: Timestamp,
) -> Record {
    let certificate = &candidate.certificate;
    Record {
        ca: Some(fingerprint(&certificate.der)),
        subject: Some(certificate.subject.clone()),
        until: Some(certificate.not_after),
        scope,
        first: Some(now),
        last: Some(now),
        by: Some(by.to_owned()),
        ..Record::new(endpoint.clone(), vec![candidate.key])
    }
}

/// Takes on the user, and becomes the command.
fn become_it(
    command: &TofuCommand,
    user: Option<&sidelight_host::first_use::User>,
    set: &[(std::ffi::OsString, std::ffi::OsString)],
) -> Result<Exit, Failure> {
    let mut set = set.to_vec();
    // A login to the record is none of the command's business.
    let is_secret = |name: &&str| std::env::var(name).is_ok_and(|url| url.contains("://") && url.contains('@'));
    let secret: Vec<std::ffi::OsString> =
        ["SIDELIGHT_PINS"].iter().filter(|name| is_secret(name)).map(Into::into).collect();
    if let Some(user) = user {
        drop_rights(user).map_err(|error| {
            Failure::new(format!("the command cannot run as {}:{}: {error}", user.uid, user.gid)).hint(
                "that takes CAP_SETUID and CAP_SETGID; leave --user out where the container runs as that user already",
            )
        })?;
        if let Some(home) = user.home.as_ref().filter(|_| user.uid != 0) {
            set.push(("HOME".into(), home.into()));
        }
    }
    let name = command.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = crate::render::escape::line(&name);
    match become_command(&command.command, &set, &secret) {
        Became::NotFound(_) => Err(told::not_found(&name).exit(Exit::NotFound)),
        Became::NotExecutable(error) => {
            Err(Failure::new(format!("{name} cannot be started: {error}")).exit(Exit::NotExecutable))
        }
    }
}

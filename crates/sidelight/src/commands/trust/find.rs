//! `sidelight trust find`. In: what is looked for, and a source. Out: where it is and is not, and which runtimes have it.

use std::path::Path;

use sidelight_host::files::read_bounded;
use sidelight_image::trust::TrustWatch;
use sidelight_model::trust::catalog::find;
use sidelight_model::trust::query::{Query, Relation};
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Pool};
use sidelight_model::x509::Certificate;
use sidelight_sink::redact::Redactor;
use sidelight_wire::scan::Found;
use sidelight_wire::trust_store;

use crate::cli::{GlobalOptions, TrustFind};
use crate::commands::survey::survey_with;
use crate::exit::{Exit, Failure};
use crate::render::trust::find::render;
use crate::render::{Look, Stream};
use crate::schema::trust_list::Find;
use crate::ui::Ui;

/// A file with the certificate that is looked for.
const LARGEST: u64 = 1 << 20;

pub(super) fn run(options: &TrustFind, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let query = query(&options.query)?;
    let watch = if options.first { first(query.clone()) } else { TrustWatch::new() };
    let survey = survey_with(&options.source, &options.image, watch, ui)?;
    let answer = find(&survey, &query);
    let runtimes = super::effective::who_has(&survey, &answer.certs, options.runtime, &options.env, options.first);
    let stream = if global.json { Stream::Error } else { Stream::Output };
    let look = Look::of(stream, global, Redactor::new(true));
    // A file is named by what it holds.
    let named = match &query {
        Query::Certificate(certificate) => format!("{} ({})", certificate.short_name(), options.query),
        _ => options.query.clone(),
    };
    let text = render(&look, &survey, &answer, &named) + &runtimes.text(&look);
    let reference = Reference::builtin();
    let document = || {
        let find = Find::new(&survey, &options.query, &answer, options.first, runtimes.json(), reference);
        serde_json::to_value(find)
    };
    super::print(&text, document, global)?;
    super::notes(&survey, ui);
    let is_yes = runtimes.verdict().unwrap_or_else(|| answer.is_yes());
    Ok(if is_yes { Exit::Done } else { Exit::No })
}

/// What is looked for: a file that is there is read, anything else is taken as text or hexadecimal.
fn query(text: &str) -> Result<Query, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::usage("the query is empty")
            .hint("give a certificate in PEM or DER, a part of its subject, or its fingerprint"));
    }
    let path = Path::new(text);
    if !path.is_file() {
        if let Some(failure) = super::missing_file(text) {
            return Err(failure);
        }
        return Ok(Query::parse(text));
    }
    let bytes = read_bounded(path, LARGEST).map_err(Failure::new)?;
    let mut pool = Pool::default();
    let store = trust_store::read(&bytes, &mut pool);
    let first = store.as_ref().and_then(|store| store.entries.first());
    let Some(entry) = first else {
        return Err(Failure::new(format_args!("{text}: there is no certificate in it"))
            .hint("give a certificate in PEM or DER, a part of its subject, or its fingerprint"));
    };
    if pool.all().len() > 1 {
        let number = pool.all().len();
        return Err(Failure::usage(format_args!(
            "{text} holds {number} certificates; one can be looked for at a time"
        ))
        .hint("name one by its fingerprint or subject"));
    }
    let certificate: &Certificate = pool.get(entry.cert);
    Ok(Query::Certificate(Box::new(certificate.clone())))
}

/// Stops at the first store that has it as a root.
fn first(query: Query) -> TrustWatch {
    TrustWatch::until(move |found: &Found, pool: &Pool| {
        let content = &found.content;
        let (Content::Store(store) | Content::Program(_, Some(store))) = content else { return false };
        let is_it = |cert| query.relation(pool.get(cert)) == Some(Relation::Same);
        store.entries.iter().any(|entry| entry.is_anchor && is_it(entry.cert))
    })
}

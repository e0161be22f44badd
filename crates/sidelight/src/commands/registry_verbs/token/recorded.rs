//! A token of a recording or capture. In: a recording, perhaps the number of a flow. Out: the token that was shown in it or granted, the
//! registry's challenge, and when.

use sidelight_model::flow::{Exchange, Header};
use sidelight_sink::store::{FlowId, FlowKind, FlowRow, Query, Recording};

use super::input::{Given, Input, understand};
use crate::cli::{FlowsSource, TokenSource};
use crate::commands::flows::source::{Source, failed};
use crate::exit::Failure;
use crate::ui::Ui;

/// Flows that are looked into for a token, the newest first.
const MOST_FLOWS: usize = 20_000;

/// Bytes of a token server's answer that are looked into.
const MOST_ANSWER: usize = 1 << 20;

/// Finds the token.
pub(super) fn read(source: &TokenSource, ui: Ui) -> Result<Input, Failure> {
    let from = FlowsSource {
        store: source.store.clone(),
        from: source.from.clone(),
        keylog: source.keylog.clone(),
        ..FlowsSource::default()
    };
    let opened = Source::open(&from, ui)?;
    let file = source.from.as_deref().unwrap_or_else(|| opened.recording.path()).display().to_string();
    let recording = &opened.recording;
    if let Some(flow) = source.flow {
        let found = exchange(recording, FlowId(flow))?
            .ok_or_else(|| Failure::new(format_args!("{file} has no exchange {flow}")))?;
        let words = format_args!("flow {flow} shows no token, and grants none").to_string();
        return input(&found, flow, &file)?.ok_or_else(|| Failure::new(words));
    }
    for is_wanted in [|row: &FlowRow| row.status == Some(401), |_: &FlowRow| true] {
        if let Some(found) = newest(recording, &file, is_wanted)? {
            return Ok(found);
        }
    }
    Err(Failure::new(format_args!("{file}: no token was shown to a registry or granted in it"))
        .hint("`sidelight registry timeline` shows what is in it; exports hold tokens with --show-secrets alone"))
}

/// The newest token in flows that are wanted.
fn newest(recording: &Recording, file: &str, is_wanted: fn(&FlowRow) -> bool) -> Result<Option<Input>, Failure> {
    let mut ids = Vec::new();
    let query = Query { newest_first: true, limit: Some(MOST_FLOWS), ..Query::default() };
    let keep = &mut |row: FlowRow| {
        if row.kind == FlowKind::Exchange && is_wanted(&row) {
            ids.push(row.id);
        }
        true
    };
    recording.rows(&query, keep).map_err(failed)?;
    for id in ids {
        let Some(exchange) = exchange(recording, id)? else { continue };
        if let Some(found) = input(&exchange, id.0, file)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn exchange(recording: &Recording, id: FlowId) -> Result<Option<Exchange>, Failure> {
    let flow = recording.flow(id).map_err(failed)?;
    Ok(flow.and_then(|flow| flow.exchange))
}

/// The token of an exchange: in its request, else in its answer.
fn input(exchange: &Exchange, flow: u64, file: &str) -> Result<Option<Input>, Failure> {
    let shown = exchange.request.as_ref().and_then(|it| Header::find(&it.headers, "authorization"));
    let is_token = |it: &&str| it.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let given = match shown.filter(is_token) {
        Some(field) if field.contains("redacted") => {
            let words = format!("the token of flow {flow} is replaced by its fingerprint in {file}");
            return Err(Failure::new(words).hint("record or export it with --show-secrets"));
        }
        Some(field) => understand(field)?,
        None => match granted(exchange) {
            Some(given) => given,
            None => return Ok(None),
        },
    };
    let answer = exchange.response.as_ref();
    let challenges = answer.map(|it| it.headers.iter().filter(|it| it.is("www-authenticate")));
    let bearer = challenges.and_then(|mut fields| {
        fields.find_map(|it| {
            let value = String::from_utf8_lossy(&it.value);
            is_token(&&*value).then(|| value.clone().into_owned())
        })
    });
    let began = exchange.timings.request_start;
    let at = (began.0 != 0).then_some(began);
    Ok(Some(Input { given, place: format!("flow {flow} of {file}"), challenge: bearer, at }))
}

/// What a token server answered.
fn granted(exchange: &Exchange) -> Option<Given> {
    let answer = exchange.response.as_ref().filter(|it| it.status == 200)?;
    let body = answer.body.kept.get(..MOST_ANSWER.min(answer.body.kept.len()))?;
    let text = std::str::from_utf8(body).ok().filter(|it| it.trim_start().starts_with('{'))?;
    let is_grant = serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|it| it["token"].is_string() || it["access_token"].is_string());
    is_grant.then(|| understand(text).ok()).flatten()
}

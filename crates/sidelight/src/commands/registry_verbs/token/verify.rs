//! `sidelight registry token verify`. In: a token or a line of a log, what the registry was told. Out: what each generation does with it, why,
//! what to do; JSON with `--json`.

use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use sidelight_model::token::kid::{self, Form};
use sidelight_model::token::{
    Answer, Check, CheckName, Generation, Hints, Presented, Refusal, Root, Scope, Setting, State, TokenKey, Verdict,
    finding, judge,
};
use sidelight_wire::registry::parse_challenges;
use sidelight_wire::{jwt, key_file};

use super::input::{self, Given, Input};
use crate::cli::{GlobalOptions, TokenVerify};
use crate::exit::{Exit, Failure};
use crate::render::{escape, token as render};
use crate::schema::token::{Judged, verdict};
use crate::ui::Ui;

/// What the registry was told, read.
struct Told {
    issuer: String,
    service: String,
    scope: Vec<Scope>,
    roots: Option<Vec<Root>>,
    jwks: Option<Vec<(String, TokenKey)>>,
    forms: Vec<(String, Vec<Form>)>,
}

pub(super) fn run(options: &TokenVerify, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let Input { given, place, challenge, at } = input::read(&options.source, ui)?;
    let told = told(options, matches!(given, Given::Line(_)), challenge.as_deref(), ui)?;
    let names = [&options.roots, &options.jwks].map(|file| file.as_ref().map(|file| file.display().to_string()));
    let hints = Hints { token: &place, roots: names[0].as_deref(), jwks: names[1].as_deref(), forms: &told.forms };
    let setting = Setting {
        issuer: &told.issuer,
        service: &told.service,
        roots: told.roots.as_deref(),
        jwks: told.jwks.as_deref(),
        scope: &told.scope,
        now: options.at.or(at).unwrap_or_else(|| SystemTime::now().into()),
    };
    let asked = |generation: &Generation| options.registry.is_none_or(|only| only == *generation);
    let judged: Vec<Judged> = match given {
        Given::Token(token) => {
            let generations = Generation::ALL.iter().filter(|it| asked(it));
            let verdicts = generations.map(|generation| judge(*generation, &token, &setting));
            verdicts.map(|verdict| judged(verdict, &token, &setting, &hints)).collect()
        }
        Given::Line(line) => {
            if !line.generations.iter().any(asked) {
                return Err(Failure::usage("the registry of --registry does not write such a line")
                    .hint("leave --registry out"));
            }
            let token = token_of(&line);
            let generations = line.generations.iter().filter(|it| asked(it));
            generations.map(|it| judged(verdict_of(*it, &line), &token, &setting, &hints)).collect()
        }
    };
    let documents = judged.iter().map(verdict).collect::<Result<Vec<Value>, _>>().map_err(Failure::new)?;
    let document = match (options.registry, <[Value; 1]>::try_from(documents)) {
        (Some(_), Ok([only])) => only,
        (None, Ok(only)) => Value::Array(only.into()),
        (_, Err(all)) => Value::Array(all),
    };
    super::super::print(&render::verdicts(super::super::paint(global), &judged), &document, global)?;
    let is_accepted = judged.iter().all(|it| it.verdict.is_accepted());
    Ok(if is_accepted { Exit::Done } else { Exit::No })
}

fn judged(verdict: Verdict, token: &Presented, setting: &Setting<'_>, hints: &Hints<'_>) -> Judged {
    let finding = finding(&verdict, token, setting, hints);
    Judged { verdict, finding }
}

/// What a line of a log says as a verdict: of that one check.
fn verdict_of(generation: Generation, line: &Refusal) -> Verdict {
    let is_warning = line.message.starts_with("error authorizing context: ");
    let warning = match line.check {
        _ if is_warning => line.message.replacen("error authorizing context: ", "", 1),
        CheckName::Form => "malformed token".to_owned(),
        CheckName::Signature if generation != Generation::V2 => line.message.clone(),
        _ => "invalid token".to_owned(),
    };
    let error = match (line.check, generation) {
        (CheckName::Bearer | CheckName::ClaimTypes, _) => None,
        (CheckName::Signature, Generation::V3_0 | Generation::V3_1) => None,
        (CheckName::Access, _) => Some("insufficient_scope"),
        _ => Some("invalid_token"),
    };
    let check = Check {
        name: line.check,
        state: State::Failed,
        words: words(line),
        cause: line.cause,
        reason: (!is_warning).then(|| line.message.clone()),
        answer: Answer { error, warning },
    };
    Verdict { generation, checks: vec![check] }
}

fn words(line: &Refusal) -> String {
    let value = line.value.clone().unwrap_or_default();
    match line.check {
        CheckName::Issuer => format!("its `iss` is {value}, which is not the registry's `issuer`"),
        CheckName::Audience => format!("its `aud` is {value}, which is not the registry's `service`"),
        CheckName::Key if !value.is_empty() => format!("the registry knows no key {value}"),
        _ => line.message.clone(),
    }
}

/// As much of a token as a line of a log tells.
fn token_of(line: &Refusal) -> Presented {
    let mut token = jwt::read("");
    let value = line.value.clone().unwrap_or_default();
    match line.check {
        CheckName::Key => token.header.kid = value,
        CheckName::Issuer => token.claims.issuer = value,
        CheckName::Audience => token.claims.audience = vec![value],
        _ => {}
    }
    token
}

fn told(options: &TokenVerify, is_line: bool, recorded: Option<&str>, ui: Ui) -> Result<Told, Failure> {
    let challenge = options.challenge.as_deref().or(recorded).map(challenge).transpose()?;
    let (challenged_service, challenged_scope) = challenge.unwrap_or_default();
    let needed = |value: Option<&String>, name: &str| match value {
        Some(value) => Ok(value.clone()),
        None if is_line => Ok(String::new()),
        None => Err(Failure::usage(format!("{name} is needed: what the registry's configuration has there"))),
    };
    let roots = options.roots.as_deref().map(|file| bundle(file, ui)).transpose()?;
    let jwks = options.jwks.as_deref().map(|file| key_set(file, ui)).transpose()?;
    if roots.is_none() && jwks.is_none() && !is_line {
        return Err(Failure::usage(
            "--roots BUNDLE or --jwks FILE is needed: what the registry checks signatures with",
        ));
    }
    let mut forms = Vec::new();
    for path in &options.key {
        for found in key_file::read(&super::super::read(path)?).keys {
            if let Ok(key) = &found.key {
                forms.push((kid::libtrust(key), found.all_forms()));
            }
        }
    }
    Ok(Told {
        issuer: needed(options.issuer.as_ref(), "--issuer")?,
        service: needed(options.service.as_ref().or(challenged_service.as_ref()), "--service")?,
        scope: if options.scope.is_empty() { challenged_scope } else { options.scope.clone() },
        roots,
        jwks,
        forms,
    })
}

/// Service and scope of a challenge.
fn challenge(text: &str) -> Result<(Option<String>, Vec<Scope>), Failure> {
    let text = text.trim();
    let is_field = text.get(..17).is_some_and(|head| head.eq_ignore_ascii_case("www-authenticate:"));
    let value = if is_field { text.get(17..).unwrap_or_default() } else { text };
    let bearer = parse_challenges(value).into_iter().find(|challenge| challenge.scheme == "bearer");
    let Some(bearer) = bearer else { return Err(Failure::usage("--challenge: this is no Bearer challenge")) };
    let scopes = bearer.param("scope").unwrap_or_default().split_ascii_whitespace().map(str::parse).collect();
    let scopes: Result<Vec<Scope>, String> = scopes;
    Ok((bearer.param("service").map(ToOwned::to_owned), scopes.map_err(Failure::usage)?))
}

/// The bundle as registries read it: PEM blocks `CERTIFICATE` alone.
fn bundle(path: &Path, ui: Ui) -> Result<Vec<Root>, Failure> {
    let file = path.display().to_string();
    let read = key_file::read(&super::super::read(path)?);
    let mut roots = Vec::new();
    for found in read.keys {
        let (Some(line), Some(der)) = (found.line, found.certificate) else {
            let what = if found.line.is_none() { "is not PEM" } else { "is not a certificate" };
            ui.warning(&escape::line(&format!("{file}: a {} {what}: registries pass over it", found.kind)));
            continue;
        };
        roots.push(Root { der, key: found.key, place: format!("{file}:{line}") });
    }
    for problem in read.problems {
        ui.warning(&escape::line(&format!("{file}: {problem}")));
    }
    Ok(roots)
}

/// A JWKS file as registry 3 reads it: a single JWK is an empty set.
fn key_set(path: &Path, ui: Ui) -> Result<Vec<(String, TokenKey)>, Failure> {
    let file = path.display().to_string();
    let read = key_file::read(&super::super::read(path)?);
    if !read.is_jwks {
        return Err(Failure::new(escape::line(&format!("{file}: it is no JWKS")))
            .hint("a bundle of certificates is given with --roots"));
    }
    if read.is_single_jwk {
        ui.warning(&escape::line(&format!(
            "{file}: a JWK alone, which registry 3 takes for an empty set; put it into {{\"keys\": [ … ]}}"
        )));
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    for found in read.keys {
        match found.key {
            Ok(key) => keys.push((found.own_id.unwrap_or_default(), key)),
            Err(why) => ui.warning(&escape::line(&format!("{file}: {why}"))),
        }
    }
    Ok(keys)
}

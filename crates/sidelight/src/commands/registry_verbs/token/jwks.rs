//! `sidelight registry token jwks`. In: keys. Out: a JWKS file with the IDs that the token server sends.

use sidelight_host::files::{Meta, replace_file};
use sidelight_model::token::{TokenKey, kid};
use sidelight_wire::{jwks, key_file};

use crate::cli::{IdStyle, TokenJwks};
use crate::exit::{Exit, Failure};
use crate::render::escape;
use crate::ui::Ui;

pub(super) fn run(options: &TokenJwks, ui: Ui) -> Result<Exit, Failure> {
    let mut keys: Vec<(String, TokenKey)> = Vec::new();
    for path in &options.files {
        let file = path.display().to_string();
        let read = key_file::read(&super::super::read(path)?);
        for problem in &read.problems {
            ui.warning(&escape::line(&format!("{file}: {problem}")));
        }
        for found in read.keys {
            let key = found.key.map_err(|why| Failure::new(escape::line(&format!("{file}: {why}"))))?;
            for id in ids(options, found.own_id.as_deref(), &key) {
                // A key and its certificate are one.
                if !keys.iter().any(|(known, _)| *known == id) {
                    keys.push((id, key.clone()));
                }
            }
        }
    }
    if keys.is_empty() {
        return Err(Failure::new("there is no key or certificate in these files"));
    }
    if options.kid.is_some() && keys.iter().any(|(_, key)| *key != keys[0].1) {
        return Err(Failure::usage("--kid names one key, and these files hold several")
            .hint("give one file, or leave --kid out"));
    }
    let text = jwks::write_set(&keys);
    match &options.output {
        Some(path) => {
            let meta = Meta::of_or_new(path, 0o644).map_err(|error| Failure::from(anyhow::anyhow!(error)))?;
            replace_file(path, text.as_bytes(), &meta).map_err(|error| Failure::from(anyhow::anyhow!(error)))?;
            ui.note(&format!("{}: {} key(s)", path.display(), keys.len()));
            ui.note("    in the registry's configuration: auth.token.jwks; restart it");
        }
        None => super::super::show(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

fn ids(options: &TokenJwks, own: Option<&str>, key: &TokenKey) -> Vec<String> {
    if let Some(id) = options.kid.as_deref().or(own) {
        return vec![id.to_owned()];
    }
    match options.ids {
        IdStyle::Libtrust => vec![kid::libtrust(key)],
        IdStyle::Rfc7638 => vec![kid::rfc7638(key)],
        IdStyle::Both => vec![kid::libtrust(key), kid::rfc7638(key)],
    }
}

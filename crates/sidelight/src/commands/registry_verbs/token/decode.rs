//! `sidelight registry token decode`. In: a token. Out: its header, claims, times and access; JSON with `--json`.

use std::time::SystemTime;

use super::input::{self, Given};
use crate::cli::{GlobalOptions, TokenDecode};
use crate::exit::{Exit, Failure};
use crate::render::token as render;
use crate::schema::token as schema;
use crate::ui::Ui;

pub(super) fn run(options: &TokenDecode, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let token = match input::read(&options.source, ui)?.given {
        Given::Token(token) => token,
        Given::Line(_) => {
            let failure = Failure::new("this is a line of a registry's log, which holds no token");
            return Err(failure.hint("sidelight registry token verify - --roots token.pem says what the line means"));
        }
    };
    if token.header_json.is_none() && token.claims_json.is_none() {
        let why = match (&token.not_bearer, token.parts) {
            (Some(not), _) => not.words.clone(),
            (None, 3) => "it has three parts, but none of them is JSON in base64url".to_owned(),
            (None, parts) => format!("it has {parts} part(s) instead of three: not a JWT, but an opaque token"),
        };
        return Err(Failure::new(format!("there is nothing to decode: {why}")));
    }
    let text = render::decoded(super::super::paint(global), &token, SystemTime::now().into());
    super::super::print(&text, &schema::decoded(&token), global)?;
    Ok(Exit::Done)
}

//! `sidelight registry token mint`. In: a private key, what the token says. Out: the token on standard output.

use std::time::SystemTime;

use serde_json::json;
use sidelight_model::time::Timestamp;
use sidelight_model::token::Access;
use sidelight_wire::jwt::mint::{Break, Naming, Order, draft};

use super::signer::{self, Signer};
use crate::cli::{GlobalOptions, TokenMint};
use crate::exit::{Exit, Failure};

pub(super) fn run(options: &TokenMint, global: &GlobalOptions) -> Result<Exit, Failure> {
    let own = Signer::from_file(&options.key)?;
    let chain = options.cert.as_deref().map(signer::certificates).transpose()?.unwrap_or_default();
    let broken = options.broken.as_deref().and_then(Break::named);
    let other = match broken {
        Some(it) if it.needs_other_key() => Some(Signer::another(&own.key)?),
        _ => None,
    };
    let (other, other_chain) = match other {
        Some((signer, certificate)) => (Some(signer), vec![certificate]),
        None => (None, Vec::new()),
    };
    let access: Vec<Access> = options
        .scope
        .iter()
        .map(|scope| Access { kind: scope.kind.clone(), name: scope.name.clone(), actions: scope.actions.clone() })
        .collect();
    let now: Timestamp = SystemTime::now().into();
    let order = Order {
        generation: options.registry,
        issuer: &options.issuer,
        service: &options.service,
        subject: &options.subject,
        access: &access,
        issued: now.as_secs(),
        lifetime: i64::try_from(options.lifetime.0.as_secs()).unwrap_or(i64::MAX),
        id: &signer::unique_id()?,
        key: &own.key,
        chain: &chain,
        naming: match (options.x5c, options.jwk) {
            (true, _) => Naming::X5c,
            (_, true) => Naming::Jwk,
            _ => Naming::Kid,
        },
        kid: options.kid.as_deref(),
        algorithm: options.alg.as_deref(),
        broken,
        other: other.as_ref().map(|signer| (&signer.key, other_chain.as_slice())),
    };
    let token = sign(&order, other.as_ref().unwrap_or(&own))?;
    if global.json {
        let document = json!({"v": 1, "type": "token-mint", "token": token, "broken": options.broken});
        super::super::show(format!("{document:#}\n").as_bytes())?;
    } else {
        super::super::show(format!("{token}\n").as_bytes())?;
    }
    Ok(Exit::Done)
}

/// The token that is ordered.
pub(super) fn sign(order: &Order<'_>, signer: &Signer) -> Result<String, Failure> {
    let draft = draft(order).map_err(Failure::usage)?;
    let signature = signer.sign(&draft.algorithm, draft.signed.as_bytes(), draft.wants_der())?;
    Ok(draft.finish(&signature))
}

//! What the token server decides. In: who asks for what, with which password or refresh token, and when. Out: status and JSON, and a line about
//! it for people. Spec: distribution's token and OAuth2 specifications: what is granted is the intersection, and nothing granted is still 200.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use sidelight_model::time::Timestamp;
use sidelight_model::token::{Access, Generation, Granted, Rule, Scope, grant};
use sidelight_wire::jwt::mint::{Naming, Order};

use super::bcrypt_users::Users;
use super::mint::sign;
use super::signer::{Signer, unique_id};
use crate::exit::Failure;

/// Refresh tokens that are remembered; older ones are forgotten.
const MOST_REFRESH_TOKENS: usize = 1_024;

/// Scopes of one request that are looked at.
const MOST_SCOPES: usize = 64;

/// Everything that does not change, and the refresh tokens that were given.
pub(super) struct Desk {
    pub(super) signer: Signer,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) issuer: String,
    pub(super) service: String,
    pub(super) generation: Generation,
    pub(super) lifetime: i64,
    pub(super) users: Option<Users>,
    pub(super) rules: Vec<Rule>,
    pub(super) refresh_tokens: Mutex<VecDeque<(String, String)>>,
}

/// A request.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// `service`
    pub(super) service: Option<String>,
    /// `scope`: each value, which may hold several.
    pub(super) scopes: Vec<String>,
    /// Name and password.
    pub(super) login: Option<(String, String)>,
    /// A refresh token instead of a password.
    pub(super) refresh_token: Option<String>,
    /// Whether a refresh token is wanted.
    pub(super) offline: bool,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Value,
    /// Who it was.
    pub(super) user: Option<String>,
    /// What was granted of what.
    pub(super) granted: Vec<Granted>,
    /// Why not, for people.
    pub(super) problem: Option<String>,
}

impl Desk {
    /// Answers a request. Checking a password takes its time.
    pub(super) fn answer(&self, asked: &Asked, now: Timestamp) -> Reply {
        if let Some(service) = asked.service.as_ref().filter(|service| **service != self.service) {
            let why = format!("the service {service} is asked for, this server is told of {}", self.service);
            return refuse(400, "UNSUPPORTED", why);
        }
        let user = match self.user(asked) {
            Ok(user) => user,
            Err(why) => return refuse(401, "UNAUTHORIZED", why),
        };
        let words = asked.scopes.iter().flat_map(|value| value.split_ascii_whitespace()).take(MOST_SCOPES);
        let scopes: Result<Vec<Scope>, String> = words.map(str::parse).collect();
        let scopes = match scopes {
            Ok(scopes) => scopes,
            Err(why) => return refuse(400, "NAME_INVALID", why),
        };
        let granted = grant(&scopes, user.as_deref(), &self.rules);
        match self.token(user.as_deref(), &granted, now) {
            Ok(token) => Reply {
                status: 200,
                body: self.body(&token, user.as_deref(), asked, now),
                user,
                granted,
                problem: None,
            },
            Err(failure) => refuse(500, "UNKNOWN", failure.message),
        }
    }

    /// Who asks; nobody in particular is fine.
    fn user(&self, asked: &Asked) -> Result<Option<String>, String> {
        if let Some(token) = &asked.refresh_token {
            let known = self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let user = known.iter().find(|(known, _)| known == token).map(|(_, user)| user.clone());
            return user
                .map(Some)
                .ok_or_else(|| "the refresh token is not known; this server forgets them when it ends".to_owned());
        }
        let Some((name, password)) = &asked.login else { return Ok(None) };
        match &self.users {
            None => Err(format!("{name} logs in, and there are no users: --users FILE")),
            Some(users) if users.is_right(name, password) => Ok(Some(name.clone())),
            Some(_) => Err(format!("user {name} or the password is wrong")),
        }
    }

    fn token(&self, user: Option<&str>, granted: &[Granted], now: Timestamp) -> Result<String, Failure> {
        let access: Vec<Access> =
            granted.iter().map(|it| it.access.clone()).filter(|access| !access.actions.is_empty()).collect();
        let order = Order {
            generation: self.generation,
            issuer: &self.issuer,
            service: &self.service,
            subject: user.unwrap_or_default(),
            access: &access,
            issued: now.as_secs(),
            lifetime: self.lifetime,
            id: &unique_id()?,
            key: &self.signer.key,
            chain: &self.chain,
            naming: if self.chain.is_empty() { Naming::Kid } else { Naming::X5c },
            kid: None,
            algorithm: None,
            broken: None,
            other: None,
        };
        sign(&order, &self.signer)
    }

    fn body(&self, token: &str, user: Option<&str>, asked: &Asked, now: Timestamp) -> Value {
        let mut body = json!({
            "token": token, "access_token": token, "expires_in": self.lifetime, "issued_at": now.rfc3339_seconds(),
        });
        if let Some(refresh) = self.refresh_token(user, asked) {
            body["refresh_token"] = json!(refresh);
        }
        body
    }

    fn refresh_token(&self, user: Option<&str>, asked: &Asked) -> Option<String> {
        if asked.refresh_token.is_some() {
            return asked.refresh_token.clone();
        }
        let (user, token) = (user.filter(|_| asked.offline)?, unique_id().ok()?);
        let mut known = self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MOST_REFRESH_TOKENS {
            known.pop_front();
        }
        known.push_back((token.clone(), user.to_owned()));
        Some(token)
    }
}

/// A refusal, in the form that clients of registries read.
pub(super) fn refuse(status: u16, code: &str, why: String) -> Reply {
    let body = json!({"errors": [{"code": code, "message": why}]});
    Reply { status, body, user: None, granted: Vec::new(), problem: Some(why) }
}

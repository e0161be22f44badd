//! NATS' decentralised logins. In: nothing. Out: the settings of a server that knows its users by JWT alone, and a user's `.creds` file, as
//! NATS' own `nsc` would make them. Spec: NATS' JWT claims, version 2.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// A server's side and a user's.
pub(crate) struct Operator {
    /// Lines for the server's configuration.
    pub(crate) settings: String,
    /// A user's credentials.
    pub(crate) creds: String,
}

/// A JWT of `claims` for `subject`, signed by `issuer`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: Value) -> String {
    // Any unique text will do.
    let id = KeyPair::new_user().public_key();
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({
        "jti": id, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": name, "nats": claims,
    });
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&body));
    let signature = issuer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

impl Operator {
    /// An operator with a system account, an account with JetStream and one user in it.
    pub(crate) fn new() -> Self {
        let (operator, system, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account(), KeyPair::new_user());
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let of_operator = json!({ "type": "operator", "version": 2, "system_account": system.public_key() });
        let operator_jwt = jwt(&operator, &operator, "fleet", of_operator);
        let account_claims = |limits: &Value| json!({ "type": "account", "version": 2, "limits": limits });
        // A system account may have no JetStream.
        let mut of_system = limits.clone();
        for name in ["mem_storage", "disk_storage", "streams", "consumer"] {
            of_system[name] = json!(0);
        }
        let system_jwt = jwt(&operator, &system, "SYS", account_claims(&of_system));
        let account_jwt = jwt(&operator, &account, "pins", account_claims(&limits));
        let of_user = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let user_jwt = jwt(&account, &user, "replica", of_user);
        let settings = format!(
            "operator: {operator_jwt}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}: {system_jwt}\n{}: {account_jwt}\n}}",
            system.public_key(),
            system.public_key(),
            account.public_key(),
        );
        let seed = user.seed().expect("a seed");
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        Self { settings, creds }
    }
}

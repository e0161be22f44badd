//! A verdict as the answer that somebody came for. In: a verdict, the token, what the registry was told, names of files. Out: a [`Finding`]:
//! who refuses, why, what that release logs and answers, what to do, with the right ID and the exact command.

use super::kid::{self, Form};
use super::{Check, CheckName, Generation, Presented, Setting, TokenKey, Verdict, signer};
use crate::finding::{Cause, Finding};

/// How warnings begin that tell of a further check that fails.
pub const ALSO_REFUSED: &str = "it would also be refused because ";

/// Names of the user's own things, for the commands.
#[derive(Clone, Copy, Debug)]
pub struct Hints<'a> {
    /// Where the token comes from: `argument`, `standard input`, a file.
    pub token: &'a str,
    /// The file of the bundle.
    pub roots: Option<&'a str>,
    /// The file of the JWKS.
    pub jwks: Option<&'a str>,
    /// What might have been hashed, besides what follows from the bundle: forms from files of keys.
    pub forms: &'a [(String, Vec<Form>)],
}

/// The finding.
pub fn finding(verdict: &Verdict, token: &Presented, setting: &Setting<'_>, hints: &Hints<'_>) -> Finding {
    let title = verdict.generation.title();
    let Some(check) = verdict.decisive() else {
        let words = verdict.checks.iter().map(|check| check.words.as_str()).collect::<Vec<_>>();
        return Finding::new(
            Cause::Ok,
            format!("registry {title} lets the token in"),
            "checks",
            hints.token,
            words.join("\n"),
        );
    };
    let summary = match check.name {
        CheckName::Start => format!("registry {title} does not start: {}", check.words),
        _ => format!("registry {title} refuses the token: {}", check.words),
    };
    let log: Vec<String> = verdict.log().iter().map(ToString::to_string).collect();
    let mut finding = Finding::new(check.cause, summary, "log", format!("registry {title}"), log.join("\n"));
    if let Some(status) = verdict.status() {
        let error = verdict.error().map_or_else(|| "without error=".to_owned(), |error| format!("error=\"{error}\""));
        finding =
            finding.with_evidence("answer", format!("registry {title}"), format!("{status}, WWW-Authenticate {error}"));
    }
    if token.header_json.is_some() {
        let (alg, kid) = (&token.header.alg, &token.header.kid);
        finding = finding.with_evidence("header", hints.token, format!("alg {alg}, kid {}", super::checks::told(kid)));
    }
    if let Some((key, place)) = signer(token, setting) {
        finding = finding.with_evidence("signature", place, format!("made by this key ({})", key.kind()));
    }
    for other in verdict.others() {
        finding = finding.with_warning(format!("{ALSO_REFUSED}{}", other.words));
    }
    if token.header.jwk.as_ref().is_some_and(|jwk| jwk.is_private) {
        finding = finding.with_warning(
            "its `jwk` is a private key: whoever saw the token can sign as the token server; make a new key",
        );
    }
    fixes(finding, check, verdict.generation, token, setting, hints)
}

fn fixes(
    finding: Finding,
    check: &Check,
    generation: Generation,
    token: &Presented,
    setting: &Setting<'_>,
    hints: &Hints<'_>,
) -> Finding {
    let (issuer, service) = (setting.issuer, setting.service);
    match check.cause {
        Cause::TokenKeyUnknown | Cause::TokenJwkUntrusted => {
            let id = match &token.header.jwk {
                Some(jwk) => jwk.kid.clone().unwrap_or_default(),
                None => token.header.kid.clone(),
            };
            kid_fixes(finding, &id, &[generation], signer(token, setting).as_ref(), setting, hints)
        }
        Cause::TokenWrongIssuer => finding.with_fix(
            "Give token server and registry the same issuer, letter by letter",
            format!("auth:\n  token:\n    issuer: {}    # or let the token server say {issuer}", token.claims.issuer),
        ),
        Cause::TokenWrongAudience => finding.with_fix(
            "Let the token server put the `service` that the client sends into `aud`, and set the registry's `service` to that",
            format!("auth:\n  token:\n    service: {}    # or let the token server say {service}", token.claims.audience.join(",")),
        ),
        Cause::TokenExpired => finding
            .with_fix("Compare the clocks of registry, token server and client", "date -u; timedatectl status")
            .with_fix(
                "If they agree, the client keeps it too long: let the token server's answer say no more than the token's life",
                format!("expires_in: {}    # exp - iat", token.claims.expires.saturating_sub(token.claims.issued_at).max(60)),
            ),
        Cause::TokenNotYetValid => {
            finding.with_fix("Compare the clocks of registry and token server; theirs is ahead, or the registry's is behind", "date -u; timedatectl status")
        }
        Cause::TokenMalformed => finding.with_fix(
            "Make the token server write it as a correct one is",
            format!("sidelight registry token mint --key token.key --issuer {issuer} --service {service} --registry {} | sidelight registry token decode -", generation.name()),
        ),
        Cause::TokenChainUntrusted => match hints.roots {
            Some(roots) => finding.with_fix(
                "Put the certificate that ends its chain into the bundle, or send the intermediates in `x5c`, the signer's first, in plain base64",
                format!("cat issuer.pem >> {roots}    # then restart the registry"),
            ),
            None => finding.with_fix("Give the registry a bundle, or leave `x5c` out so that `kid` is looked up", "auth:\n  token:\n    rootcertbundle: /etc/registry/token.pem"),
        },
        Cause::TokenAlgorithm => finding.with_fix(
            "Sign with the algorithm that goes with the key",
            format!("alg: {}", signer_algorithm(token, setting)),
        ),
        Cause::TokenBadSignature => signature_fixes(finding, token, setting, hints),
        Cause::TokenAccessMissing => finding.with_fix(
            "Give the user the right at the token server, or ask for the name as the registry has it",
            format!("the token must have access {}", setting.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ),
        Cause::RegistryKeysUnusable => finding.with_fix(
            "Give the registry a bundle of PEM certificates with RSA keys, or ECDSA keys on P-256, P-384 or P-521",
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.pem -days 3650 -subj /CN=token",
        ),
        Cause::TokenMissing => finding.with_fix("Send it as one word after `Bearer` and one blank", "curl -H \"Authorization: Bearer $TOKEN\" …"),
        _ => finding,
    }
}

fn signer_algorithm(token: &Presented, setting: &Setting<'_>) -> &'static str {
    let by_id = setting
        .bundle()
        .iter()
        .filter_map(|root| root.key.as_ref().ok())
        .find(|key| kid::libtrust(key) == token.header.kid || kid::rfc7638(key) == token.header.kid);
    by_id
        .or_else(|| setting.bundle().iter().find_map(|root| root.key.as_ref().ok()))
        .map_or("RS256", TokenKey::algorithm)
}

fn signature_fixes(finding: Finding, token: &Presented, setting: &Setting<'_>, hints: &Hints<'_>) -> Finding {
    let roots = hints.roots.or(hints.jwks).unwrap_or("token.pem");
    let finding = match signer(token, setting) {
        Some((_, place)) => finding.with_fix(
            "Send the ID of the key that signs",
            format!("the token is signed by {place}: send the ID of that one"),
        ),
        None => finding,
    };
    finding
        .with_fix(
            "Give the registry the certificate of the key that signs now: the token server may have a new one, or one of several replicas another",
            format!("sidelight registry key-id token.key {roots}    # the two must have the same ID"),
        )
        .with_fix("If they are the same, the token was altered or cut off on its way: compare its length at the token server and here", format!("sidelight registry token decode -    # signature of {} bytes", token.signature.reveal().len()))
}

/// What an ID is of a known key: whose, and in words.
pub fn known_as(id: &str, setting: &Setting<'_>, hints: &Hints<'_>) -> Option<(TokenKey, String, kid::Match)> {
    let of_roots = setting.bundle().iter().filter_map(|root| {
        let key = root.key.as_ref().ok()?;
        Some((key, root.place.clone(), Form::of(key, Some(&root.der))))
    });
    let of_keys =
        setting.keys().iter().map(|(listed, key)| (key, format!("the JWKS key {listed}"), Form::of(key, None)));
    of_roots.chain(of_keys).take(256).find_map(|(key, place, mut forms)| {
        let files = hints.forms.iter().filter(|(spki_kid, _)| *spki_kid == kid::libtrust(key));
        forms.extend(files.flat_map(|(_, more)| more.iter().cloned()));
        kid::find(id, key, &forms).map(|found| (key.clone(), place, found))
    })
}

/// What to do about an ID that is not known: whose it is, what went wrong when it was made, and what to send instead.
pub fn kid_fixes(
    mut finding: Finding,
    id: &str,
    generations: &[Generation],
    signed_by: Option<&(&TokenKey, String)>,
    setting: &Setting<'_>,
    hints: &Hints<'_>,
) -> Finding {
    let matched = known_as(id, setting, hints);
    let owner = match (&matched, signed_by) {
        (Some((key, place, found)), _) => {
            finding = finding.with_evidence("kid", place.clone(), format!("{id} is {}", found.words));
            finding.summary = format!("{}: it is {}", finding.summary, found.words);
            Some((key.clone(), place.clone()))
        }
        (None, Some((key, place))) => Some(((*key).clone(), place.clone())),
        (None, None) => None,
    };
    for told in kid::shape(id).into_iter().filter(|_| !id.is_empty() && matched.is_none()) {
        finding = finding.with_evidence("kid", hints.token, told);
    }
    let Some((key, place)) = owner else {
        let roots = hints.roots.unwrap_or("token.pem");
        return finding.with_fix(
            "Give the registry the certificate of the key that signs; none that it has is the one",
            format!("cat signer.pem >> {roots}    # then restart the registry; compare: sidelight registry key-id signer.pem --match '{id}'"),
        );
    };
    for generation in generations {
        finding = match kid::of(*generation, &key) {
            Some(right) => finding.with_fix(
                format!("Let the token server send the ID that registry {} looks up for {place}", generation.title()),
                format!("kid: {right}"),
            ),
            None => finding.with_fix(
                format!("Registry {} looks {} keys up by no ID: send the certificate", generation.title(), key.kind()),
                "x5c: [base64 of the signer's certificate]",
            ),
        };
    }
    if generations.iter().any(|generation| *generation != Generation::V2) && !id.is_empty() {
        let file = hints.roots.or(hints.jwks).unwrap_or("token.pem");
        finding = finding.with_fix(
            "Or leave the token server as it is, and give the registry a JWKS file in which the key has the ID that is sent",
            format!("sidelight registry token jwks {file} --kid '{id}' -o jwks.json    # then auth.token.jwks: jwks.json"),
        );
    }
    finding
}

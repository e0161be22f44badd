//! JSON Web Keys. In: JSON. Out: public keys, private ones as DER, what registry 2 says of a key in a token's header; sets written.
//! Spec: RFC 7517, RFC 7518 §6, RFC 8037 §2.

use serde_json::{Map, Value, json};
use sidelight_model::redact::Secret;
use sidelight_model::token::go::{self, Alphabet};
use sidelight_model::token::{Curve, Material, TokenKey, kid};

use crate::der::{self, tag};
use crate::jwt::encode;

/// Arcs of rsaEncryption.
const RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
/// Arcs of id-ecPublicKey.
const EC: &[u64] = &[1, 2, 840, 10_045, 2, 1];
/// Arcs of id-Ed25519.
const ED25519: &[u64] = &[1, 3, 101, 112];

const fn curve_arcs(curve: Curve) -> &'static [u64] {
    match curve {
        Curve::P256 => &[1, 2, 840, 10_045, 3, 1, 7],
        Curve::P384 => &[1, 3, 132, 0, 34],
        Curve::P521 => &[1, 3, 132, 0, 35],
    }
}

/// The bytes of a member.
fn bytes(jwk: &Value, name: &str) -> Result<Vec<u8>, String> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or_else(|| format!("its `{name}` is missing or no text"))?;
    let bare = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    go::base64(bare.as_bytes(), Alphabet::Url, false).map_err(|_| format!("its `{name}` is no base64url"))
}

/// A coordinate at its full length, whatever its writer left out.
fn coordinate(jwk: &Value, name: &str, octets: usize) -> Result<Vec<u8>, String> {
    let found = bytes(jwk, name)?;
    let bare: Vec<u8> = found.into_iter().skip_while(|byte| *byte == 0).collect();
    let missing = octets.checked_sub(bare.len()).ok_or_else(|| format!("its `{name}` is too long"))?;
    Ok([vec![0; missing], bare].concat())
}

/// The public key of a JWK, private ones included.
///
/// # Errors
/// Why it is none, in words.
pub fn public_key(jwk: &Value) -> Result<TokenKey, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    let spki = match text("kty") {
        "RSA" => {
            let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
            let key = der::sequence(&[&der::unsigned(&n), &der::unsigned(&e)]);
            spki(&[&der::oid(RSA), &der::element(tag::NULL, &[])], &key)
        }
        "EC" => {
            let curve = Curve::named(text("crv")).ok_or_else(|| format!("its curve is `{}`", text("crv")))?;
            let (x, y) = (coordinate(jwk, "x", curve.octets())?, coordinate(jwk, "y", curve.octets())?);
            spki(&[&der::oid(EC), &der::oid(curve_arcs(curve))], &[vec![4], x, y].concat())
        }
        "OKP" if text("crv") == "Ed25519" => spki(&[&der::oid(ED25519)], &bytes(jwk, "x")?),
        "oct" => return Err("it is a shared secret (`oct`), with which no registry checks tokens".to_owned()),
        other => return Err(format!("its kind (`kty`) is `{other}`")),
    };
    TokenKey::from_spki(&spki)
}

fn spki(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::sequence(algorithm), &der::bit_string(key)])
}

/// The private key of a JWK: PKCS#1, SEC1 or PKCS#8 in DER. `None` when it is public.
///
/// # Errors
/// When it is private, but not whole.
pub fn private_key(jwk: &Value) -> Result<Option<Secret<Vec<u8>>>, String> {
    if jwk.get("d").is_none() {
        return Ok(None);
    }
    let public = public_key(jwk)?;
    let number = |name: &str| bytes(jwk, name).map(|magnitude| der::unsigned(&magnitude));
    let der = match &public.material {
        Material::Rsa { n, e } => {
            let mut all = vec![der::unsigned(&[0]), der::unsigned(n), der::unsigned(e)];
            for name in ["d", "p", "q", "dp", "dq", "qi"] {
                all.push(number(name)?);
            }
            der::element(tag::SEQUENCE, &all.concat())
        }
        Material::Ec { curve, .. } => {
            let d = coordinate(jwk, "d", curve.octets())?;
            der::sequence(&[
                &der::unsigned(&[1]),
                &der::element(tag::OCTET_STRING, &d),
                &der::context(0, &der::oid(curve_arcs(*curve))),
                &der::context(1, &der::bit_string(&public.bits())),
            ])
        }
        Material::Ed25519 { .. } => {
            let seed = der::element(tag::OCTET_STRING, &bytes(jwk, "d")?);
            let algorithm = der::sequence(&[&der::oid(ED25519)]);
            der::sequence(&[&der::unsigned(&[0]), &algorithm, &der::element(tag::OCTET_STRING, &seed)])
        }
    };
    Ok(Some(Secret::new(der)))
}

/// Why registry 2 does not take a key in a token's header, as its log says it behind `unable to decode raw JWK value: `.
pub(crate) fn problem_of_2(jwk: &Value) -> Option<String> {
    if !jwk.is_object() {
        let what = match jwk {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            _ => "number",
        };
        return Some(format!(
            "decoding JWK Public Key JSON data: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}\n{jwk}\n"
        ));
    }
    let checked = match text_of(jwk, "kty") {
        Err(why) => Err(format!("JWK Public Key type: {why}")),
        Ok("EC") => ec_of_2(jwk),
        Ok("RSA") => rsa_of_2(jwk),
        Ok(other) => Err(format!("JWK Public Key type not supported: {}\n", go::quoted(other))),
    };
    checked.err()
}

fn text_of<'j>(jwk: &'j Value, name: &str) -> Result<&'j str, String> {
    match jwk.get(name) {
        None => Err(format!("\"{name}\" value not specified")),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("\"{name}\" value must be a string")),
    }
}

/// base64url with its padding added, as registry 2 reads it.
fn bytes_of_2(jwk: &Value, name: &str) -> Result<Vec<u8>, String> {
    let text = text_of(jwk, name)?;
    let padding = match text.len() % 4 {
        0 => "",
        2 => "==",
        3 => "=",
        _ => return Err("invalid base64 URL encoding: illegal base64url string".to_owned()),
    };
    go::base64(format!("{text}{padding}").as_bytes(), Alphabet::Url, true)
        .map_err(|at| format!("invalid base64 URL encoding: illegal base64 data at input byte {at}"))
}

fn ec_of_2(jwk: &Value) -> Result<(), String> {
    let say = |what: &'static str| move |why: String| format!("JWK EC Public Key {what}: {why}");
    let name = text_of(jwk, "crv").map_err(say("curve identifier"))?;
    let curve = Curve::named(name)
        .ok_or_else(|| format!("JWK EC Public Key curve identifier not supported: {}\n", go::quoted(name)))?;
    for (member, what) in [("x", "x-coordinate"), ("y", "y-coordinate")] {
        let found = bytes_of_2(jwk, member).map_err(say(what))?.len();
        if found != curve.octets() {
            return Err(say(what)(format!("invalid number of octets: got {found}, should be {}", curve.octets())));
        }
    }
    own_id(jwk, "EC")
}

fn rsa_of_2(jwk: &Value) -> Result<(), String> {
    for (member, what) in [("n", "modulus"), ("e", "exponent")] {
        bytes_of_2(jwk, member).map_err(|why| format!("JWK RSA Public Key {what}: {why}"))?;
    }
    own_id(jwk, "RSA")?;
    if jwk.get("d").is_some() {
        return Err("JWK RSA Public Key cannot contain private exponent".to_owned());
    }
    Ok(())
}

/// A `kid` inside must be libtrust's.
fn own_id(jwk: &Value, kind: &str) -> Result<(), String> {
    if jwk.get("kid").is_none() {
        return Ok(());
    }
    let id = text_of(jwk, "kid").map_err(|why| format!("JWK {kind} Public Key ID: {why}"))?;
    match public_key(jwk) {
        Ok(key) if kid::libtrust(&key) == id => Ok(()),
        _ => Err(format!("JWK {kind} Public Key ID does not match: {id}")),
    }
}

/// A public key as JWK, with this ID.
pub fn write_key(key: &TokenKey, id: &str) -> Value {
    let mut jwk = Map::new();
    let mut set = |name: &str, value: String| jwk.insert(name.to_owned(), Value::String(value));
    match &key.material {
        Material::Rsa { n, e } => {
            set("kty", "RSA".to_owned());
            set("n", encode(n));
            set("e", encode(e));
        }
        Material::Ec { curve, x, y } => {
            set("kty", "EC".to_owned());
            set("crv", curve.name().to_owned());
            set("x", encode(x));
            set("y", encode(y));
        }
        Material::Ed25519 { x } => {
            set("kty", "OKP".to_owned());
            set("crv", "Ed25519".to_owned());
            set("x", encode(x));
        }
    }
    set("kid", id.to_owned());
    set("use", "sig".to_owned());
    Value::Object(jwk)
}

/// A set of keys, each under its ID.
pub fn write_set(keys: &[(String, TokenKey)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(id, key)| write_key(key, id)).collect();
    format!("{:#}\n", json!({ "keys": keys }))
}

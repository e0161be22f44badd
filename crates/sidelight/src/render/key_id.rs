//! Key IDs as text. In: the answer of `registry key-id`. Out: what was asked first (what an ID is, or by which mistake it was made), then the
//! IDs of each key.

use std::fmt::Write as _;

use sidelight_model::token::{Generation, kid};

use super::style::Meaning;
use super::{Paint, escape};
use crate::schema::key_id::{Answer, Shown};

/// The whole answer.
pub(crate) fn render(paint: Paint, answer: &Answer) -> String {
    let mut text = String::new();
    if let Some(wanted) = &answer.wanted {
        matches(paint, answer, wanted, &mut text);
    }
    for shown in &answer.keys {
        if !text.is_empty() {
            text.push('\n');
        }
        key(paint, shown, &mut text);
    }
    text
}

fn place(shown: &Shown) -> String {
    let line = shown.found.line.map(|line| format!(":{line}")).unwrap_or_default();
    escape::line(&format!("{}{line}", shown.file))
}

fn matches(paint: Paint, answer: &Answer, wanted: &str, text: &mut String) {
    let wanted = escape::line(wanted);
    let mut any = false;
    for shown in &answer.keys {
        let (Some(found), Ok(key)) = (&shown.matched, &shown.found.key) else { continue };
        any = true;
        let (mark, meaning) = if found.is_right { ("✓", Meaning::Good) } else { ("✗", Meaning::Bad) };
        let line = format!("{wanted} is {} ({})", escape::line(&found.words), place(shown));
        let _ = writeln!(text, "{} {}", paint.as_(meaning, mark), paint.as_(meaning, &line));
        let by: Vec<&str> = found.found_by.iter().map(|generation| generation.title()).collect();
        let looked_up =
            if by.is_empty() { "by no registry".to_owned() } else { format!("by registry {}", by.join(", ")) };
        let _ = writeln!(text, "    looked up {looked_up}");
        let missing = Generation::ALL.iter().filter(|generation| !found.found_by.contains(generation));
        for generation in missing {
            if let Some(right) = kid::of(*generation, key) {
                let to_send = format!("for registry {} send", generation.title());
                let _ = writeln!(text, "    {} {to_send}", paint.as_(Meaning::Good, "fix:"));
                let _ = writeln!(text, "         {}", paint.as_(Meaning::Strong, &format!("kid: {right}")));
            }
        }
    }
    if !any {
        let line = format!("{wanted} is of none of these keys, by no mistake that is known");
        let _ = writeln!(text, "{} {}", paint.as_(Meaning::Bad, "✗"), paint.as_(Meaning::Bad, &line));
        let _ = writeln!(
            text,
            "    it was made from another key, then: compare with the key that the token server signs with"
        );
    }
    for told in &answer.shape {
        let _ = writeln!(text, "    {} {}", paint.as_(Meaning::Caution, "note:"), escape::line(told));
    }
}

fn key(paint: Paint, shown: &Shown, text: &mut String) {
    let found = &shown.found;
    let name = place(shown);
    let key = match &found.key {
        Ok(key) => key,
        Err(why) => {
            let line = format!("{name}  {}: {}", found.kind, escape::line(why));
            let _ = writeln!(text, "{} {line}", paint.as_(Meaning::Bad, "✗"));
            return;
        }
    };
    let _ = writeln!(text, "{}  {}, {}", paint.as_(Meaning::Strong, &name), found.kind, key.kind());
    let thumbprint = kid::rfc7638(key);
    let v3 = "RFC 7638 thumbprint";
    for generation in Generation::ALL {
        let id = kid::of(*generation, key);
        let why = match (generation, id.as_deref()) {
            (Generation::V2, Some(_)) => "libtrust ID",
            (Generation::V2, None) => "does not start with such a key in its bundle",
            (_, None) => "only by x5c or a JWKS file",
            (_, Some(id)) if id == thumbprint => v3,
            (Generation::V3_0, Some(_)) => "the same for every key of this curve; the last in the bundle counts",
            (_, Some(_)) => "not RFC 7638: coordinates lose their leading zeros",
        };
        let id = id.unwrap_or_else(|| "none".to_owned());
        let why = paint.as_(Meaning::Faint, &format!("({why})"));
        let _ = writeln!(text, "    registry {:<6} {id}  {why}", generation.title());
    }
    if kid::of(Generation::V3_1, key).is_some_and(|id| id != thumbprint) {
        let _ = writeln!(text, "    RFC 7638        {thumbprint}");
    }
    if let Some(id) = &found.own_id {
        let _ = writeln!(
            text,
            "    its own kid     {}  {}",
            escape::line(id),
            paint.as_(Meaning::Faint, "(what registry 3 looks up if it is in its JWKS file)")
        );
    }
    if found.kind == "PKCS#8 private key" {
        let _ = writeln!(
            text,
            "    {} libtrust itself refuses PKCS#8 keys (`unable to get PrivateKey from PEM type: PRIVATE KEY`)",
            paint.as_(Meaning::Caution, "note:")
        );
    }
}

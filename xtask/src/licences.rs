//! Only permissive licences. In: `cargo metadata` and the list in deny.toml. Out: one complaint for each package that no allowed licence covers.
//! Licence expressions: SPDX specification 2.3, annex D (`AND`, `OR`, `WITH`, parentheses; `/` is an old spelling of `OR`).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Checks every package that cargo knows, the workspace's own too.
///
/// # Errors
/// A deny.toml without its list of licences; metadata without packages.
pub fn check(root: &Path, metadata: &Value) -> Result<Vec<String>> {
    let file = root.join("deny.toml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let deny: toml::Table = text.parse().with_context(|| format!("cannot parse {}", file.display()))?;
    let allowed: Vec<&str> = deny
        .get("licenses")
        .and_then(|section| section.get("allow")?.as_array())
        .context("deny.toml has no list `allow` under [licenses]")?
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut complaints = Vec::new();
    for package in packages {
        let (name, version) = (package["name"].as_str().unwrap_or("?"), package["version"].as_str().unwrap_or("?"));
        match package["license"].as_str() {
            Some(expression) if covers(expression, &allowed) => {}
            Some(expression) => {
                complaints.push(format!("{name} {version}: licence {expression} is not covered by deny.toml"))
            }
            None => complaints.push(format!("{name} {version}: names no licence")),
        }
    }
    Ok(complaints)
}

/// Whether a licence expression can be met with the allowed licences alone. An expression that breaks the grammar is not.
fn covers(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    either(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut answer = both(rest, allowed)?;
    while take(rest, "OR") {
        answer |= both(rest, allowed)?;
    }
    Some(answer)
}

fn both(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut answer = one(rest, allowed)?;
    while take(rest, "AND") {
        answer &= one(rest, allowed)?;
    }
    Some(answer)
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let answer = either(rest, allowed)?;
        return take(rest, ")").then_some(answer);
    }
    let (&name, after) = rest.split_first()?;
    *rest = after;
    if take(rest, "WITH") {
        // An exception only ever adds permissions, so the licence alone decides.
        let (_, after) = rest.split_first()?;
        *rest = after;
    }
    Some(allowed.contains(&name))
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let found = rest.first() == Some(&word);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[&str] = &["MIT", "Apache-2.0", "Zlib"];

    #[test]
    fn expressions_are_read_as_spdx_says() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-2.0) AND Zlib",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-2.0 AND LGPL-2.1 OR MIT",
        ] {
            assert!(covers(fine, ALLOWED), "{fine}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT", "", "MIT OR", "GPL-2.0 WITH Classpath-exception-2.0"] {
            assert!(!covers(bad, ALLOWED), "{bad}");
        }
    }
}

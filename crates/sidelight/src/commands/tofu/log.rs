//! The audit log. In: decisions. Out: a line of the log each, and its end on standard error; `log verify`: whether a log is whole.

use std::path::Path;

use aws_lc_rs::signature::{self, KeyPair as _};
use serde_json::{Map, Value, json};
use sidelight_host::files::read_bounded;
use sidelight_host::first_use::{Identity, append, head_path};
use sidelight_model::time::Timestamp;
use sidelight_model::tofu::{Decision, Shown};
use sidelight_model::x509::fingerprint;
use sidelight_wire::pem;
use sidelight_wire::tofu_log::{self, Head};

use super::install::Installed;
use super::look::Seen;
use super::told;
use super::wanted::Wanted;
use crate::cli::{LogVerb, LogVerify, TofuStart};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Most bytes of a log.
const LARGEST: u64 = 256 << 20;
/// Most bytes of a key.
const LARGEST_KEY: u64 = 64 << 10;

/// Writes the log of one start, and tells standard error: standard output is the command's.
pub(super) struct Logger {
    file: Option<std::path::PathBuf>,
    key: Option<signature::Ed25519KeyPair>,
    json: bool,
    now: Timestamp,
    ui: Ui,
}

impl Logger {
    /// Reads the key. With `json`, what is told of each host is one line of JSON.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub(super) fn open(start: &TofuStart, json: bool, now: Timestamp, ui: Ui) -> Result<Self, Failure> {
        let key = start.log_key.as_deref().map(read_key).transpose()?;
        Ok(Self { file: start.log.clone(), key, json, now, ui })
    }

    /// Logs what ends the start. What cannot be logged is told, and does not hide the reason.
    pub(super) fn failed(&self, seen: &Seen, decision: &Decision, wanted: &Wanted, why: &Failure) {
        let entry = entry(seen, decision, wanted, None, self.now);
        let head = self.write(&entry).unwrap_or_else(|failure| {
            self.ui.warning(&failure.message);
            None
        });
        if self.json {
            self.tell(entry, &why.message, &why.hints, head.as_ref());
        } else {
            self.tell_head(head.as_ref());
        }
    }

    /// Logs a decision after which the command is started, and tells it: `told` says it in a sentence.
    ///
    /// # Errors
    /// When the log was asked for and cannot be written: a start that leaves no trail is no start.
    pub(super) fn decided(
        &self,
        seen: &Seen,
        decision: &Decision,
        wanted: &Wanted,
        installed: &Installed,
        told: &str,
    ) -> Result<(), Failure> {
        let entry = entry(seen, decision, wanted, Some(installed), self.now);
        if !self.json {
            self.ui.note(told);
        }
        let head = self.write(&entry)?;
        if self.json {
            self.tell(entry, told, &[], head.as_ref());
        } else {
            self.tell_head(head.as_ref());
        }
        Ok(())
    }

    fn write(&self, entry: &Map<String, Value>) -> Result<Option<Head>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let sign = |text: &[u8]| self.key.as_ref().map(|key| key.sign(text).as_ref().to_vec()).unwrap_or_default();
        let signer: Option<tofu_log::Sign<'_>> = if self.key.is_some() { Some(&sign) } else { None };
        append(file, entry, signer).map(Some).map_err(|error| Failure::new(format!("the audit log: {error}")))
    }

    fn tell_head(&self, head: Option<&Head>) {
        if let (Some(file), Some(head)) = (&self.file, head) {
            self.ui.note(&format!("audit log {}: line {} is sha256 {}", file.display(), head.lines, head.sha256));
        }
    }

    /// One line of JSON: what the log holds of the host, in a sentence too, and the end of the log.
    fn tell(&self, entry: Map<String, Value>, message: &str, hints: &[String], head: Option<&Head>) {
        let mut whole = Map::new();
        whole.insert("v".into(), 1.into());
        whole.insert("type".into(), "tofu".into());
        whole.extend(entry);
        whole.insert("message".into(), message.into());
        whole.insert("hints".into(), hints.into());
        let log = head.zip(self.file.as_ref()).map(
            |(head, file)| json!({"file": file.display().to_string(), "lines": head.lines, "sha256": head.sha256}),
        );
        whole.insert("log".into(), log.into());
        self.ui.json(&Value::Object(whole));
    }
}

fn entry(
    seen: &Seen,
    decision: &Decision,
    wanted: &Wanted,
    installed: Option<&Installed>,
    now: Timestamp,
) -> Map<String, Value> {
    let inner = match decision {
        Decision::Tell(inner) => inner,
        other => other,
    };
    let (decided, rule) = match inner {
        Decision::Start(rule) => ("start", rule.name()),
        Decision::Install { rule, .. } => ("install", rule.name()),
        Decision::Adopt => ("adopt", "first_use"),
        Decision::Ask => ("ask", "operator"),
        Decision::Refuse(refusal) => ("refuse", refusal.name()),
        Decision::Tell(_) => ("observe", "observe"),
    };
    let chain: Vec<String> = seen.chain.iter().map(|der| fingerprint(der)).collect();
    let keys: Vec<String> = told::issuers(&seen.shown).iter().map(|it| it.key.to_string()).collect();
    let cause = match &seen.shown {
        Shown::Broken { cause, .. } => Some(cause.code()),
        _ => None,
    };
    let Identity { name, id, image } = Identity::of_this_container();
    let value = json!({
        "at": now.rfc3339_seconds(),
        "program": format!("sidelight {}", env!("CARGO_PKG_VERSION")),
        "container": name,
        "container_id": id,
        "image": wanted.start.image.clone().or(image),
        "endpoint": seen.endpoint.at,
        "name": seen.name.to_string(),
        "via": seen.endpoint.via,
        "address": seen.peer,
        "policy": wanted.policy.name(),
        "decision": decided,
        "observed_only": matches!(decision, Decision::Tell(_)),
        "rule": rule,
        "cause": cause,
        "keys": keys,
        "chain": chain,
        "installed": installed.map(|it| it.how),
        "changed": installed.map(|it| it.changed.clone()).unwrap_or_default(),
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn read_key(path: &Path) -> Result<signature::Ed25519KeyPair, Failure> {
    let wrong = |why: &str| Failure::usage(format!("--log-key: {}: {why}", path.display()));
    let bytes = read_bounded(path, LARGEST_KEY).map_err(|error| Failure::new(format!("--log-key: {error}")))?;
    let (blocks, _) = pem::read(&bytes);
    let block = blocks.into_iter().find(|block| block.label == "PRIVATE KEY");
    let block =
        block.ok_or_else(|| wrong("no PRIVATE KEY in PEM (PKCS#8); make one: openssl genpkey -algorithm ed25519"))?;
    signature::Ed25519KeyPair::from_pkcs8(&block.data).map_err(|_| wrong("not an Ed25519 key in PKCS#8"))
}

/// Does what is asked of a log.
///
/// # Errors
/// When it cannot be read.
pub(super) fn run(verb: &LogVerb, json: bool) -> Result<Exit, Failure> {
    let LogVerb::Verify(options) = verb;
    verify(options, json)
}

fn verify(options: &LogVerify, json: bool) -> Result<Exit, Failure> {
    let bytes = read_bounded(&options.file, LARGEST).map_err(Failure::new)?;
    let beside = head_path(&options.file);
    let head = match &options.head {
        Some(text) => Some(
            Head::read(text).ok_or_else(|| Failure::usage(format!("--head: `{text}` is no head; write `3 SHA256`")))?,
        ),
        None => match std::fs::read_to_string(&beside) {
            Ok(text) => {
                Some(Head::read(&text).ok_or_else(|| Failure::new(format!("{}: this is no head", beside.display())))?)
            }
            Err(_) => None,
        },
    };
    let key = options.key.as_deref().map(read_public_key).transpose()?;
    let check = |text: &[u8], signed: &[u8]| {
        let key = signature::UnparsedPublicKey::new(&signature::ED25519, key.as_deref().unwrap_or_default());
        key.verify(text, signed).is_ok()
    };
    let checker: Option<tofu_log::Check<'_>> = if key.is_some() { Some(&check) } else { None };
    let found = tofu_log::verify(&bytes, head.as_ref(), checker);
    let file = crate::render::escape::line(&options.file.display().to_string());
    if json {
        let value = match &found {
            Ok(end) => {
                json!({"v": 1, "type": "tofu-log", "file": file, "ok": true, "lines": end.lines, "sha256": end.sha256,
                "end_checked": head.is_some(), "signatures_checked": key.is_some()})
            }
            Err(broken) => {
                json!({"v": 1, "type": "tofu-log", "file": file, "ok": false, "line": broken.line, "what": broken.what})
            }
        };
        println!("{value}");
    }
    match found {
        Ok(end) => {
            if !json {
                let signed = if key.is_some() { ", each signed by the key" } else { "" };
                println!("{file} is whole: {} lines{signed}; the last is sha256 {}", end.lines, end.sha256);
                if head.is_none() {
                    println!(
                        "whether last lines were removed cannot be told: {} is missing; compare with what the start printed (--head)",
                        beside.display()
                    );
                }
            }
            Ok(Exit::Done)
        }
        Err(broken) => {
            if !json {
                println!("{file} is not whole: line {}: {}", broken.line, broken.what);
            }
            Ok(Exit::No)
        }
    }
}

/// The bits of an Ed25519 public key in PEM, or of a private key's public half.
fn read_public_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--key: {}: no Ed25519 public key in PEM; make one: openssl pkey -in KEY -pubout",
            path.display()
        ))
    };
    let bytes = read_bounded(path, LARGEST_KEY).map_err(|error| Failure::new(format!("--key: {error}")))?;
    let (blocks, _) = pem::read(&bytes);
    let block = blocks.into_iter().next().ok_or_else(wrong)?;
    match block.label.as_str() {
        // RFC 8410 §4: the key is the last 32 bytes of its SubjectPublicKeyInfo of 44.
        "PUBLIC KEY" if block.data.len() == 44 => Ok(block.data[12..].to_vec()),
        "PRIVATE KEY" => {
            let pair = signature::Ed25519KeyPair::from_pkcs8(&block.data).map_err(|_| wrong())?;
            Ok(pair.public_key().as_ref().to_vec())
        }
        _ => Err(wrong()),
    }
}

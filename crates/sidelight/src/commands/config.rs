//! `sidelight config show`. In: resolved settings. Out: each setting, its value and the source that won, as text or JSON.

use std::io::Write as _;

use serde_json::{Map, Value, json};
use sidelight_model::redact::fingerprint;

use crate::cli::{ConfigCommand, ConfigVerb};
use crate::exit::{Exit, Failure};
use crate::settings::{Setting, Settings, Source, without_logins};

/// Does what is asked.
pub(super) fn run(command: &ConfigCommand, settings: &Settings) -> Result<Exit, Failure> {
    let ConfigVerb::Show(show) = &command.verb;
    let reveal = show.options.show.show_secrets;
    let text = if settings.cli.global.json { as_json(settings, reveal) } else { as_text(settings, reveal) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The values as they may be shown.
fn shown(setting: &Setting, reveal: bool) -> Vec<String> {
    let secret = matches!(setting.name.as_str(), "proxy-auth" | "storepass");
    let show = |value: &String| match value {
        value if reveal => value.clone(),
        // A file's name is no secret.
        value if secret && !value.starts_with('@') => fingerprint(value.as_bytes()),
        value => without_logins(value),
    };
    setting.values.iter().map(show).collect()
}

fn as_text(settings: &Settings, reveal: bool) -> String {
    let rows: Vec<(String, String, String)> = settings
        .all
        .iter()
        .map(|setting| {
            let values = shown(setting, reveal);
            let value = if values.is_empty() { "-".to_owned() } else { values.join(", ") };
            (setting.name.clone(), value, setting.source.to_string())
        })
        .collect();
    let width = |column: fn(&(String, String, String)) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or_default()
    };
    let (name, value) = (width(|row| &row.0), width(|row| &row.1).min(48));
    let mut text = match &settings.file {
        Some(path) if path.exists() => format!("# configuration file {}\n", path.display()),
        Some(path) => format!("# configuration file {} (absent)\n", path.display()),
        None => String::new(),
    };
    for row in rows {
        text += &format!("{:name$}  {:value$}  {}\n", row.0, row.1, row.2);
    }
    text
}

fn as_json(settings: &Settings, reveal: bool) -> String {
    let mut all = Map::new();
    for setting in &settings.all {
        let values = shown(setting, reveal);
        let value = if setting.is_list { json!(values) } else { json!(values.first()) };
        let mut entry = json!({ "value": value });
        let (source, variable, file, line) = match &setting.source {
            Source::Option => ("option", None, None, None),
            Source::Environment(name) => ("environment", Some(name), None, None),
            Source::File(path, line) => ("file", None, Some(path), Some(line)),
            Source::Default => ("default", None, None, None),
        };
        entry["source"] = json!(source);
        for (key, value) in [("variable", json!(variable)), ("file", json!(file)), ("line", json!(line))] {
            if value != Value::Null {
                entry[key] = value;
            }
        }
        all.insert(setting.name.clone(), entry);
    }
    format!("{:#}\n", json!({ "v": 1, "file": settings.file, "settings": all }))
}

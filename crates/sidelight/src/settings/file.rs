//! The configuration file. In: TOML whose keys are the long options. Out: values per option, each with its line.
//! Spec: TOML 1.0.

use std::io::Read as _;
use std::path::Path;

use clap::{Arg, ArgAction};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Source, layer::Layer};
use crate::exit::Failure;

/// A configuration file longer than this is none.
const MOST_BYTES: u64 = 1 << 20;

/// What keys there are.
#[cfg(feature = "full")]
const KEYS: &str = "the keys are the long options without their dashes; `sidelight config show` lists them";
#[cfg(not(feature = "full"))]
const KEYS: &str = "this program has `tofu` alone; the keys are its long options without their dashes";

/// Reads the file at `path`. One that nobody `named` may be absent.
///
/// # Errors
/// When it cannot be read, is not TOML, or holds a key or a kind of value that no option has.
pub(super) fn read(path: &Path, named: bool, options: &[Arg]) -> Result<Vec<Layer>, Failure> {
    let cannot = |error: std::io::Error| Failure::usage(format_args!("cannot read {}: {error}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error).hint("--config and SIDELIGHT_CONFIG name the configuration file")),
    };
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::usage(format_args!("{} is longer than 1 MiB", path.display())));
    }
    parse(path, &text, options)
}

fn parse(path: &Path, text: &str, options: &[Arg]) -> Result<Vec<Layer>, Failure> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let at = line(error.span().map_or(0, |span| span.start));
        Failure::usage(format_args!("{}:{at}: {}", path.display(), error.message()))
    })?;
    let mut layers = Vec::new();
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        let at = line(key.span().start);
        let place = format!("{}:{at}", path.display());
        let Some(arg) = options.iter().find(|arg| arg.get_long() == Some(name)) else {
            return Err(unknown(&place, name, options));
        };
        let values = read_value(arg, value).map_err(|why| Failure::usage(format_args!("{place}: `{name}` {why}")))?;
        layers.push(Layer { name: name.to_owned(), values, source: Source::File(path.to_owned(), at) });
    }
    Ok(layers)
}

fn read_value(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    match (value.get_ref(), arg.get_action()) {
        (DeValue::Array(items), _) if is_list => items.iter().map(|item| scalar(item.get_ref())).collect(),
        (DeValue::Array(_), _) => Err("takes one value, not an array".to_owned()),
        (DeValue::Boolean(flag), ArgAction::SetTrue) => Ok(vec![flag.to_string()]),
        (_, ArgAction::SetTrue) => Err("takes true or false".to_owned()),
        (DeValue::Boolean(_), _) => Err("takes a value, not true or false".to_owned()),
        (value, _) => scalar(value).map(|value| vec![value]),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        other => Err(format!("takes a string or a decimal number, not a TOML {}", other.type_str())),
    }
}

fn unknown(place: &str, name: &str, options: &[Arg]) -> Failure {
    let wanted = name.replace('_', "-").to_ascii_lowercase();
    let nearest = options
        .iter()
        .filter_map(Arg::get_long)
        .map(|known| (strsim::jaro_winkler(known, &wanted), known))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let failure = Failure::usage(format_args!("{place}: no option is called `{name}`"));
    match nearest {
        Some((likeness, known)) if likeness > 0.8 => failure.hint(format_args!("did you mean `{known}`?")),
        _ => failure.hint(KEYS),
    }
}

//! What the environment says, and how layers meet. In: variables `SIDELIGHT_<OPTION>`. Out: values per option, with their source.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Environment, Source, is_setting, leaf};
use crate::exit::Failure;

/// Values of one option from below the command line.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The long option without its dashes.
    pub(super) name: String,
    /// The values as text, as they would stand on the command line.
    pub(super) values: Vec<String>,
    /// Where they come from.
    pub(super) source: Source,
}

/// Every option that can be set, of whatever command, once by name: as the command that was asked for, to which `words` lead, has it;
/// of options that only other commands have, the form that takes most.
pub(super) fn options(definition: &Command, words: &[String]) -> Vec<Arg> {
    let mut path = vec![definition];
    for word in words {
        path.extend(path.last().and_then(|command| command.find_subcommand(word)));
    }
    let mut found: Vec<Arg> = Vec::new();
    for arg in path.iter().rev().flat_map(|command| command.get_arguments()).filter(|arg| is_setting(arg)) {
        if !found.iter().any(|known| known.get_long() == arg.get_long()) {
            found.push(arg.clone());
        }
    }
    let own = found.len();
    others(definition, own, &mut found);
    found
}

/// Adds what the commands below `definition` have besides the first `own` of `found`.
fn others(definition: &Command, own: usize, found: &mut Vec<Arg>) {
    let is_list = |arg: &Arg| matches!(arg.get_action(), ArgAction::Append);
    for arg in definition.get_arguments().filter(|arg| is_setting(arg)) {
        match found.iter().position(|known| known.get_long() == arg.get_long()) {
            None => found.push(arg.clone()),
            Some(index) if index >= own && is_list(arg) => found[index] = arg.clone(),
            Some(_) => {}
        }
    }
    for inner in definition.get_subcommands() {
        others(inner, own, found);
    }
}

/// The variable of an option: `on-untrusted` is `SIDELIGHT_ON_UNTRUSTED`.
pub(super) fn variable(name: &str) -> String {
    format!("SIDELIGHT_{}", name.replace('-', "_").to_ascii_uppercase())
}

/// Reads the environment over what the file said. Empty variables count as not set.
pub(super) fn read_environment(
    environment: Environment<'_>,
    options: &[Arg],
    layers: &mut Vec<Layer>,
) -> Result<(), Failure> {
    for arg in options {
        let name = arg.get_long().unwrap_or_default();
        let variable = variable(name);
        let Some(value) = environment(&variable).filter(|value| !value.is_empty()) else { continue };
        let text = value.into_string().map_err(|_| Failure::usage(format_args!("{variable} is not UTF-8")))?;
        let values = match arg.get_action() {
            ArgAction::Append => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            ArgAction::SetTrue => vec![
                read_flag(&text)
                    .ok_or_else(|| {
                        Failure::usage(format_args!("{variable}: `{text}` is neither yes nor no"))
                            .hint("write true or false, yes or no, on or off, 1 or 0")
                    })?
                    .to_string(),
            ],
            _ => vec![text],
        };
        layers.retain(|layer| layer.name != name);
        layers.push(Layer { name: name.to_owned(), values, source: Source::Environment(variable) });
    }
    Ok(())
}

fn read_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Leaves out what contradicts an option of the command line: `--ca DIR` wins over `ephemeral-ca = true` in the file.
pub(super) fn drop_conflicting(definition: &Command, first: &ArgMatches, layers: &mut Vec<Layer>) {
    let (words, matches) = leaf(first);
    let mut command = definition.clone();
    for word in &words {
        command = match command.find_subcommand(word) {
            Some(inner) => inner.clone(),
            None => return,
        };
    }
    let given: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| {
            matches.try_get_raw(arg.get_id().as_str()).is_ok()
                && matches.value_source(arg.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine)
        })
        .collect();
    let contradicts = |one: &Arg, other: &Arg| {
        let names = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|it| it.get_id() == b.get_id());
        names(one, other) || names(other, one)
    };
    layers.retain(|layer| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(layer.name.as_str()));
        !arg.is_some_and(|arg| given.iter().any(|other| other.get_id() != arg.get_id() && contradicts(arg, other)))
    });
}

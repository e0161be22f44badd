//! What every setting is and where it came from, for `config show`. In: a definition, its matches, the layers. Out: the settings.

use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::layer::Layer;
use super::{Source, is_setting, leaf};

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("option"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path, line) => write!(f, "file {}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting of the command that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The long option without its dashes.
    pub(crate) name: String,
    /// Its values as text, none when it is not set.
    pub(crate) values: Vec<String>,
    /// Whether it can have several.
    pub(crate) is_list: bool,
    /// Where they came from.
    pub(crate) source: Source,
}

/// Every setting of the command that was asked for, in the order of its help; then those that a lower layer sets for others.
pub(super) fn list(definition: &Command, matches: &ArgMatches, layers: &[Layer], options: &[Arg]) -> Vec<Setting> {
    let (words, matches) = leaf(matches);
    let mut path = vec![definition];
    for word in &words {
        path.extend(path.last().and_then(|command| command.find_subcommand(word)));
    }
    let above = path.iter().rev().skip(1);
    let globals = above.flat_map(|command| command.get_arguments().filter(|arg| arg.is_global_set()));
    let own = path.last().into_iter().flat_map(|command| command.get_arguments());
    let mut all: Vec<Setting> =
        own.chain(globals).filter(|arg| is_setting(arg)).map(|arg| setting(arg, &matches, layers)).collect();
    for layer in layers {
        if !all.iter().any(|setting| setting.name == layer.name) {
            let arg = options.iter().find(|arg| arg.get_long() == Some(layer.name.as_str()));
            let is_list = arg.is_some_and(|arg| matches!(arg.get_action(), clap::ArgAction::Append));
            let Layer { name, values, source } = layer.clone();
            all.push(Setting { name, values, is_list, source });
        }
    }
    all
}

fn setting(arg: &Arg, matches: &ArgMatches, layers: &[Layer]) -> Setting {
    let id = arg.get_id().as_str();
    let name = arg.get_long().unwrap_or(id).to_owned();
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Source::Option,
        _ => layers.iter().find(|layer| layer.name == name).map_or(Source::Default, |layer| layer.source.clone()),
    };
    let mut values: Vec<String> =
        matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect();
    if matches!(arg.get_action(), clap::ArgAction::SetTrue) {
        values = vec![matches.get_flag(id).to_string()];
    } else if matches!(arg.get_action(), clap::ArgAction::Count) {
        values = vec![matches.get_count(id).to_string()];
    }
    Setting { name, values, is_list: matches!(arg.get_action(), clap::ArgAction::Append), source }
}

//! Settings in layers: option, then environment, then file, then default. In: arguments, the environment, the configuration
//! file. Out: the typed command line, and for every setting where its value came from.
//!
//! The command line is read twice. The first reading finds the verb and `--config`. What the environment and the file say is
//! then put into the definition as default values, so that the second reading checks them as it checks options, and options
//! win over them by themselves.

mod file;
mod layer;
#[cfg(feature = "full")]
mod listed;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::cli::Cli;
use crate::exit::Failure;
use layer::Layer;
#[cfg(feature = "full")]
pub(crate) use listed::Setting;

/// Looks up a variable of the environment.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An option on the command line.
    #[cfg(feature = "full")]
    Option,
    /// This variable of the environment.
    Environment(String),
    /// This line of this file.
    File(PathBuf, usize),
    /// Nobody said anything.
    #[cfg(feature = "full")]
    Default,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The command line, all layers applied.
    pub(crate) cli: Cli,
    /// Every setting of its command.
    #[cfg(feature = "full")]
    pub(crate) all: Vec<Setting>,
    /// The configuration file that was read, or would have been had it been there.
    #[cfg(feature = "full")]
    pub(crate) file: Option<PathBuf>,
}

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum NoSettings {
    /// Help, the version, or a wrong command line: clap's own words.
    Clap(Box<clap::Error>),
    /// A wrong value, in any layer.
    Wrong(Failure),
}

impl From<Failure> for NoSettings {
    fn from(failure: Failure) -> Self {
        Self::Wrong(failure)
    }
}

/// Reads the command line `arguments`, the first of which is the program's name.
///
/// # Errors
/// When help or the version was asked for, and when anything in any layer is wrong.
pub(crate) fn resolve(arguments: &[OsString], environment: Environment<'_>) -> Result<Settings, NoSettings> {
    let definition = Cli::command();
    let first =
        without_demands(definition.clone()).try_get_matches_from(arguments).map_err(|error| explain(error, &[]))?;
    let (words, asked) = leaf(&first);
    let options = layer::options(&definition, &words);

    let (file, named) = config_file(&asked, environment);
    let mut layers = match &file {
        Some(path) => file::read(path, named, &options)?,
        None => Vec::new(),
    };
    layer::read_environment(environment, &options, &mut layers)?;
    layer::drop_conflicting(&definition, &first, &mut layers);

    let layered = apply(definition, &layers);
    let matches = layered.clone().try_get_matches_from(arguments).map_err(|error| explain(error, &layers))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| explain(error, &layers))?;
    Ok(Settings {
        cli,
        #[cfg(feature = "full")]
        all: listed::list(&layered, &matches, &layers, &options),
        #[cfg(feature = "full")]
        file,
    })
}

/// The matches of the command that was asked for, with the words that lead to it.
fn leaf(matches: &ArgMatches) -> (Vec<String>, ArgMatches) {
    let (mut words, mut at) = (Vec::new(), matches);
    while let Some((word, inner)) = at.subcommand() {
        words.push(word.to_owned());
        at = inner;
    }
    (words, at.clone())
}

/// The configuration file, and whether somebody named it.
fn config_file(matches: &ArgMatches, environment: Environment<'_>) -> (Option<PathBuf>, bool) {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = matches.get_one::<PathBuf>("config").cloned().or_else(|| set("SIDELIGHT_CONFIG"));
    if named.is_some() {
        return (named, true);
    }
    // The XDG specification has relative paths ignored.
    let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(".config")));
    (base.map(|base| base.join("sidelight/config.toml")), false)
}

/// The definition in which no option is required: the environment or the file may give what the command line leaves out.
fn without_demands(definition: Command) -> Command {
    definition.mut_args(|arg| if is_setting(&arg) { arg.required(false) } else { arg }).mut_subcommands(without_demands)
}

/// Puts the layers into the definition.
fn apply(definition: Command, layers: &[Layer]) -> Command {
    definition
        .mut_args(|arg| match layers.iter().find(|layer| arg.get_long() == Some(layer.name.as_str())) {
            Some(layer) => arg.default_values(layer.values.clone()).required(false),
            None => arg,
        })
        .mut_subcommands(|inner| apply(inner, layers))
}

/// Whether `arg` is a setting; `--help`, `--version` and `--config` are not.
fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|long| !matches!(long, "help" | "version" | "config"))
}

/// Says which layer holds a wrong value, and keeps logins in it out of the message.
fn explain(error: clap::Error, layers: &[Layer]) -> NoSettings {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    use std::error::Error as _;

    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    #[cfg(not(feature = "full"))]
    if let Some(failure) = text(ContextKind::InvalidSubcommand).and_then(|verb| crate::cli::elsewhere(&verb)) {
        return failure.into();
    }
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return NoSettings::Clap(Box::new(error));
    }
    let (Some(option), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else {
        return NoSettings::Clap(Box::new(error));
    };
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(valid))) if value.is_empty() => format!("it is one of {}", valid.join(", ")),
        (None, Some(ContextValue::Strings(valid))) => format!("`{value}` is none of {}", valid.join(", ")),
        _ => format!("`{value}` is not a value of it"),
    };
    let long = option.split_whitespace().next().unwrap_or_default().trim_start_matches('-');
    let source =
        layers.iter().find(|layer| layer.name == long && layer.values.contains(&value)).map(|layer| &layer.source);
    let place = match source {
        Some(Source::Environment(name)) => format!("{name} (for `{option}`)"),
        Some(Source::File(path, line)) => format!("{}:{line}: `{long}`", path.display()),
        _ => format!("`{option}`"),
    };
    let what = if option.starts_with("--") { format!("`--{long}`") } else { format!("`{option}`") };
    let hint = format!("`sidelight --help` and the help of each command say what {what} takes");
    Failure::usage(format_args!("{place}: {}", without_logins(&reason))).hint(hint).into()
}

/// Replaces the login in each URL of `text`.
pub(crate) fn without_logins(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '`' | '?' | '#')).unwrap_or(after.len());
        rest = match after[..end].split_once('@') {
            Some((login, place)) if !login.is_empty() && !is_listening(login, place) => {
                out.push_str(&sidelight_model::redact::fingerprint(login.as_bytes()));
                &after[login.len()..]
            }
            _ => after,
        };
    }
    out + rest
}

/// Whether `before@after` is rather a proxy's place and a place to listen, as a mode reads it.
fn is_listening(before: &str, after: &str) -> bool {
    let numeric_port = before.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
    let place = after.parse::<u16>().is_ok() || after.parse::<std::net::SocketAddr>().is_ok();
    numeric_port && place
}

/// The folder for a kind of files by the XDG base directory specification, as in `$XDG_DATA_HOME/sidelight`.
#[cfg(feature = "full")]
pub(crate) fn xdg_folder(variable: &str, below_home: &str, environment: Environment<'_>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set(variable).or_else(|| Some(set("HOME")?.join(below_home)))?;
    Some(base.join("sidelight"))
}

#[cfg(all(test, feature = "full"))]
mod tests;

//! Settings of an image that bear on trust: variables of its configuration, of environment files and of commands.
//! In: a survey. Out: [`Setting`]s with where they stand. Nothing is judged here.

use super::issue::{CONFIG, Place};
use crate::trust::{Content, File, Survey};

/// A variable and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Place,
    /// As it stands there.
    pub(super) text: String,
}

/// A line of text that bears on trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) place: Place,
    pub(super) text: &'a str,
}

/// Lines of one file that are looked at.
const MOST_LINES: usize = 20_000;
/// A line is cut off after so many bytes.
const LONGEST: usize = 4_096;

/// All variables: of the configuration, of environment files, and those that the entrypoint sets (`env NAME=value`).
pub(super) fn all(survey: &Survey) -> Vec<Setting> {
    let mut found: Vec<Setting> = survey
        .config
        .env
        .iter()
        .map(|(name, value)| Setting {
            name: name.clone(),
            value: value.clone(),
            place: Place::config(),
            text: format!("ENV {name}={value}"),
        })
        .collect();
    let words: Vec<&String> = survey.config.entrypoint.iter().chain(&survey.config.cmd).collect();
    for word in &words {
        found.extend(assignment(word).map(|(name, value)| Setting {
            name,
            value,
            place: Place::config(),
            text: (*word).clone(),
        }));
    }
    if words.iter().any(|word| word.contains("-Djavax.net.ssl.trustStore=")) {
        let value = words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" ");
        found.push(Setting { name: "the entrypoint".to_owned(), text: value.clone(), value, place: Place::config() });
    }
    for (file, text) in texts(survey).filter(|(file, _)| is_environment(&file.path)) {
        for line in lines(&file.path, file.layer, text) {
            found.extend(exported(line.text).map(|(name, value)| Setting {
                name,
                value,
                place: line.place.clone(),
                text: line.text.trim().to_owned(),
            }));
        }
    }
    found
}

/// Files whose text was kept: settings and scripts.
pub(super) fn texts(survey: &Survey) -> impl Iterator<Item = (&File, &str)> {
    survey.files.values().filter_map(|file| match &file.content {
        Content::Text(text) => Some((file, text.as_str())),
        Content::Program(program, _) => {
            let (_, text) = program.values.iter().find(|(name, _)| *name == "text")?;
            Some((file, text.as_str()))
        }
        _ => None,
    })
}

/// The lines of a text, comments left out.
pub(super) fn lines<'a>(path: &'a str, layer: Option<usize>, text: &'a str) -> impl Iterator<Item = Line<'a>> {
    let numbered = text.lines().enumerate().take(MOST_LINES);
    numbered.filter(|(_, line)| !is_comment(line)).map(move |(index, line)| Line {
        place: Place::file(path, layer).at(Some(index + 1)),
        text: line.get(..LONGEST).unwrap_or(line),
    })
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#') || line.starts_with("//") || line.starts_with(';')
}

/// Files that set the environment of shells.
fn is_environment(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(path, "/etc/environment" | "/etc/profile" | "/etc/bash.bashrc" | "/etc/bashrc")
        || path.starts_with("/etc/profile.d/")
        || matches!(name, ".bashrc" | ".profile" | ".bash_profile" | ".zshrc" | ".env" | ".ashrc")
        || is_script(path)
}

/// Scripts that start the image.
pub(super) fn is_script(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".sh") || name.contains("entrypoint") || name == "run" || name == "start" || name == "init"
}

/// A line of a shell that sets a variable.
pub(super) fn exported(line: &str) -> Option<(String, String)> {
    assignment(line.trim().trim_start_matches("export ").trim_start())
}

/// `NAME=value`, the value without its quotes.
fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !sound || name.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        _ => value.split([' ', '\t', ';']).next().unwrap_or_default(),
    };
    Some((name.to_owned(), value.to_owned()))
}

/// A place for people: the file and line, or the image's configuration.
pub(super) fn at(place: &Place) -> String {
    match (place.path.as_str(), place.line) {
        (CONFIG, _) => "the image's configuration".to_owned(),
        (path, Some(line)) => format!("{path}:{line}"),
        (path, None) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(assignment("A_B=\"c d\" # x"), pair("A_B", "c d"));
        assert_eq!(assignment("A=c; export A"), pair("A", "c"));
        assert_eq!(assignment("A="), pair("A", ""));
        for other in ["--a=b", "if [ $A = b ]", "1A=b", "=b", "a"] {
            assert_eq!(assignment(other), None, "{other}");
        }
    }
}

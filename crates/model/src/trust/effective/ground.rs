//! What an image says about how its programs run. In: a survey and what the caller overrides. Out: variables, options and settings, each
//! with where it comes from. The caller's word goes before the command line's, that before the start script's, that before the image's.

use super::Situation;
use crate::trust::{Content, File, Program, Store, Survey};

/// Shells, and programs that only start others.
const STARTERS: &[&str] =
    &["sh", "bash", "dash", "ash", "busybox", "env", "tini", "dumb-init", "exec", "gosu", "su-exec"];

/// A value, and where it comes from in words: `SSL_CERT_FILE in the image's environment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) value: String,
    pub(super) origin: String,
}

/// The ground on which a runtime's rules are applied.
pub(super) struct Ground<'s> {
    pub(super) survey: &'s Survey,
    pub(super) situation: &'s Situation,
    /// Entrypoint and command.
    pub(super) words: Vec<String>,
    /// Scripts that the entrypoint runs: path and text.
    scripts: Vec<(String, &'s str)>,
}

impl<'s> Ground<'s> {
    pub(super) fn new(survey: &'s Survey, situation: &'s Situation) -> Self {
        let words = situation
            .command
            .clone()
            .unwrap_or_else(|| survey.config.entrypoint.iter().chain(&survey.config.cmd).cloned().collect());
        let mut ground = Self { survey, situation, words, scripts: Vec::new() };
        ground.scripts = ground.words.iter().take(4).filter_map(|word| ground.script(word)).collect();
        ground
    }

    fn script(&self, word: &str) -> Option<(String, &'s str)> {
        let file = self.survey.file(&self.find_program(word)?)?;
        let text = match &file.content {
            Content::Program(program, _) => value(program, "text")?,
            Content::Text(text) => text,
            _ => return None,
        };
        Some((file.path.clone(), text))
    }

    /// Where a word of a command leads: a path, or a program on the path.
    pub(super) fn find_program(&self, word: &str) -> Option<String> {
        if word.contains('/') {
            return self.survey.resolve(&self.absolute(word));
        }
        let path = self.var("PATH").map_or_else(
            || "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            |value| value.value,
        );
        path.split(':')
            .filter_map(|folder| self.survey.resolve(&format!("{folder}/{word}")))
            .find(|path| self.survey.files.contains_key(path))
    }

    /// A path from the working directory.
    pub(super) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.survey.config.working_dir) }
    }

    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.situation.env.iter().rev().find(|(known, _)| known == name) {
            let value = value.clone()?;
            return some(value, format!("{name}, as you gave it"));
        }
        self.assigned(name).or_else(|| {
            let value = self.survey.config.var(name)?;
            some(value.to_owned(), format!("{name} in the image's environment"))
        })
    }

    /// A variable set on the command line or in a script that it runs.
    fn assigned(&self, name: &str) -> Option<Value> {
        for (index, word) in self.words.iter().enumerate() {
            let place = if index < self.survey.config.entrypoint.len() { "entrypoint" } else { "command" };
            let whole = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            // `env NAME=value …`, or a shell's text.
            if let Some(value) = whole.filter(|_| !word.contains(char::is_whitespace)) {
                return some(value.to_owned(), format!("{name} in the image's {place}"));
            }
            if let Some((_, value)) = assignment(word, name) {
                return some(value, format!("{name} in the image's {place}"));
            }
        }
        self.scripts.iter().find_map(|(path, text)| {
            let (line, value) = assignment(text, name)?;
            some(value, format!("{name} in {path}, line {line}"))
        })
    }

    /// The text of a file of settings.
    pub(super) fn text(&self, path: &str) -> Option<&'s str> {
        match &self.survey.file(path)?.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Settings of the form `name = value` or `name value`, the last one wins: value, and where it stands.
    pub(super) fn setting(&self, files: &[String], names: &[&str]) -> Option<Value> {
        let mut found = None;
        for path in files {
            for (index, line) in self.text(path).unwrap_or_default().lines().enumerate() {
                let line = line.trim().trim_start_matches("--");
                let end = line.find([' ', '\t', '=', ':']).unwrap_or(line.len());
                let name = line[..end].replace('-', "_").to_ascii_lowercase();
                if names.contains(&name.as_str()) {
                    let value = line[end..].trim_start_matches([' ', '\t', '=', ':']).trim().trim_matches('"');
                    found = Some(Value { value: value.to_owned(), origin: format!("{path}, line {}", index + 1) });
                }
            }
        }
        found
    }

    /// The home folder of the user that the image runs as.
    pub(super) fn home(&self) -> String {
        if let Some(home) = self.var("HOME") {
            return home.value;
        }
        let user = self.survey.config.user.split(':').next().unwrap_or_default();
        let known = self.text("/etc/passwd").unwrap_or_default().lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let is_it = fields.first() == Some(&user) || fields.get(2) == Some(&user);
            fields.get(5).filter(|_| is_it && !user.is_empty()).map(|home| (*home).to_owned())
        });
        known.unwrap_or_else(|| "/root".to_owned())
    }

    /// Programs of the image with their paths.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&'s File, &'s Program, Option<&'s Store>)> + use<'s> {
        self.survey.files.values().filter_map(|file| match &file.content {
            Content::Program(program, store) => Some((file, program, store.as_ref())),
            _ => None,
        })
    }

    /// A program by its name, wherever it lies; one on the path first.
    pub(super) fn program(&self, names: &[&str]) -> Option<(&'s File, &'s Program)> {
        let on_path = names.iter().filter_map(|name| self.find_program(name)).find_map(|path| {
            let file = self.survey.files.get(&path)?;
            match &file.content {
                Content::Program(program, _) => Some((file, program)),
                _ => None,
            }
        });
        on_path.or_else(|| {
            let found = self.programs().find(|(file, ..)| names.contains(&base(&file.path)));
            found.map(|(file, program, _)| (file, program))
        })
    }

    /// A library by the start of its name.
    pub(super) fn library(&self, prefix: &str) -> Option<(&'s File, &'s Program)> {
        let found = self.programs().find(|(file, ..)| base(&file.path).starts_with(prefix));
        found.map(|(file, program, _)| (file, program))
    }

    /// The program that the image starts, through shells and their like.
    pub(super) fn started(&self) -> Option<String> {
        let words = self.words.iter().flat_map(|word| word.split_whitespace());
        let mut candidates = words.filter(|word| !word.starts_with('-') && !word.contains('='));
        let first = candidates.find(|word| !STARTERS.contains(&base(word)))?;
        self.find_program(first)
    }
}

fn some(value: String, origin: String) -> Option<Value> {
    (!value.is_empty()).then_some(Value { value, origin })
}

/// The last name of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A value that was found in a program.
pub(super) fn value<'p>(program: &'p Program, name: &str) -> Option<&'p str> {
    program.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// Whether a program is linked to a library.
pub(super) fn needs(program: &Program, library: &str) -> bool {
    program.values.iter().any(|(known, value)| *known == "needed" && value.starts_with(library))
}

/// `NAME=value` or `export NAME=value` in a shell's text, with a value that does not depend on others: the line and the value.
fn assignment(text: &str, name: &str) -> Option<(usize, String)> {
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        for command in line.split([';', '&', '|']) {
            let command = command.trim();
            let command = command.strip_prefix("export ").unwrap_or(command).trim_start();
            let Some(value) = command.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) else { continue };
            let value = match value.strip_prefix(['"', '\'']) {
                Some(quoted) => quoted.split(['"', '\'']).next().unwrap_or_default(),
                None => value.split_whitespace().next().unwrap_or_default(),
            };
            if !value.contains(['$', '`']) {
                found = Some((index + 1, value.to_owned()));
            }
        }
    }
    found
}

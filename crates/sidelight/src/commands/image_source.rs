//! From what a user calls a source to a source that can be read. In: the text, options. Out: [`Opened`], or a failure that says
//! what was tried where, and what helps.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use sidelight_image::{Engines, Error, Opened, Options, Progress, Source, open as open_source};

use super::registry::RemoteImage;
use crate::cli::ImageOptions;
use crate::exit::Failure;
use crate::render::escape;
use crate::ui::Ui;

/// Names of other images that a message lists.
const MAX_NAMES: usize = 20;

/// Opens a source, with its digests verified.
///
/// # Errors
/// When it is not there, cannot be read, or holds several images of which none was chosen.
pub(crate) fn open(text: &str, options: &ImageOptions, ui: Ui) -> Result<Opened, Failure> {
    open_with(text, options, true, ui)
}

/// Opens a source. Without `verify`, bytes that nobody wants are not read where that is possible, so digests are not compared.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_with(text: &str, options: &ImageOptions, verify: bool, ui: Ui) -> Result<Opened, Failure> {
    let source: Source = text.parse().map_err(Failure::usage)?;
    let settings = Options {
        platform: options.platform.clone(),
        image: options.image_name.clone(),
        verify,
        engines: engines(),
        ..Options::default()
    };
    let opened = match &source {
        Source::Registry(name) => remote(name, options, &settings, ui)?,
        Source::Bare(word) => match open_source(&source, &settings) {
            Err(Error::NotFound { tried, .. }) if !source.names_a_file() => {
                remote(word, options, &settings, ui).map_err(|failure| not_here(word, &tried, failure))?
            }
            other => other.map_err(failure)?,
        },
        _ => open_source(&source, &settings).map_err(failure)?,
    };
    Ok(with_progress(opened))
}

/// Opens an image of a registry.
fn remote(name: &str, options: &ImageOptions, settings: &Options, ui: Ui) -> Result<Opened, Failure> {
    let image = RemoteImage::open(name, &options.registry, ui)?;
    let (full, asked) = (image.name(), image.asked().to_owned());
    Opened::remote(Box::new(image), &full, &asked, settings).map_err(failure)
}

/// Where this user's engines keep their things.
pub(crate) fn engines() -> Engines {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let docker_host = set("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned());
    let storage_conf = set("CONTAINERS_STORAGE_CONF");
    let mut engines = Engines { docker_host, storage_conf, ..Engines::default() };
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    if let Some(data) = data {
        engines.storage_roots.insert(0, data.join("containers/storage"));
        engines.docker_roots.push(data.join("docker"));
    }
    engines
}

/// An image that is neither here nor in its registry.
fn not_here(word: &str, tried: &[String], registry: Failure) -> Failure {
    let word = escape::line(word);
    let mut failure = Failure::new(format!("`{word}` is no file or folder, no image here, and {}", registry.message));
    for line in tried {
        failure = failure.hint(escape::line(line));
    }
    registry.hints.into_iter().fold(failure, Failure::hint)
}

/// A failure in words, with what helps.
pub(crate) fn failure(error: Error) -> Failure {
    let failure = Failure::new(escape::line(&error.to_string()));
    match &error {
        Error::Choice { there, is_platform, .. } => choice(failure, there, *is_platform),
        Error::NotFound { what, tried } => {
            let failure = tried.iter().fold(failure, |failure, line| failure.hint(escape::line(line)));
            match what.split_once(':') {
                Some(("docker-daemon", name)) => {
                    failure.hint(format!("where Docker has it: docker save {} | sidelight trust list -", escape::line(name)))
                }
                Some(("containers-storage", name)) => {
                    failure.hint(format!("where podman has it: podman save {} | sidelight trust list -", escape::line(name)))
                }
                _ => failure,
            }
        }
        Error::NotRunning { image: Some(image), .. } => {
            failure.hint(format!("its image can be read without running it: {}", escape::line(image)))
        }
        Error::Io { why, .. } if why.kind() == std::io::ErrorKind::PermissionDenied => {
            failure.hint("this user may not read it; root may: sudo sidelight …")
        }
        Error::Mismatch { .. } => {
            failure.hint("it was damaged or changed on its way: save or pull the image once more")
        }
        Error::ReadOnce(_) => failure.hint("write it to a file first, and name that file"),
        Error::Damaged { why, .. } if why.contains("is empty") || why.contains("is cut off") => failure
            .hint("what wrote it stopped early: write it anew, and see whether that command succeeds (docker save -o FILE IMAGE)"),
        Error::Damaged { .. }
        | Error::Limit { .. }
        | Error::Io { .. }
        | Error::Remote(_)
        | Error::NotRunning { .. } => failure,
    }
}

fn choice(failure: Failure, there: &[String], is_platform: bool) -> Failure {
    let (option, noun) = if is_platform { ("--platform", "platforms") } else { ("--image", "images") };
    let Some(first) = there.first() else { return failure };
    let mut list: Vec<String> = there.iter().take(MAX_NAMES).map(|name| escape::line(name)).collect();
    if there.len() > MAX_NAMES {
        list.push(format!("and {} more", there.len() - MAX_NAMES));
    }
    let failure = failure.hint(format!("its {noun} are: {}", list.join(", ")));
    failure.hint(format!("choose one with {option} {}", escape::line(first)))
}

/// Tells on a terminal how far reading is.
fn with_progress(mut opened: Opened) -> Opened {
    if std::io::stderr().is_terminal() && opened.layers().len() > 1 {
        let mut line = Line { shown: false };
        opened.set_progress(Box::new(move |progress| line.show(progress)));
    }
    opened
}

/// A line on the terminal, which is wiped when reading ends.
struct Line {
    shown: bool,
}

impl Line {
    fn show(&mut self, progress: Progress) {
        self.shown = true;
        let Progress { layer, layers, bytes } = progress;
        let _ = write!(
            std::io::stderr().lock(),
            "\r\x1b[Kreading layer {layer} of {layers} ({} MB so far)",
            bytes / 1_000_000
        );
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// A folder that is no image in one of the forms that images have on disk.
pub(crate) fn is_plain_folder(path: &Path) -> bool {
    path.is_dir() && !path.join("oci-layout").exists() && !path.join("manifest.json").exists()
}

/// A source as fixes name it: a bare word that is a folder is said to be one.
pub(crate) fn in_full(text: &str) -> String {
    if is_plain_folder(Path::new(text)) { format!("rootfs:{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_there_is_and_how_to_choose() {
        let error = Error::Choice {
            what: "all.tar".to_owned(),
            why: "holds several images".to_owned(),
            there: vec!["app:1".to_owned(), "app:2\x1b[31m".to_owned()],
            is_platform: false,
        };
        let told = failure(error);
        assert_eq!(told.message, "all.tar holds several images");
        assert_eq!(told.hints[1], "choose one with --image app:1");
        assert!(!told.hints[0].contains('\x1b'), "{:?}", told.hints);
    }

    #[test]
    fn what_was_tried_stands_below_what_the_registry_said() {
        let registry = Failure::new("registry.example does not answer").hint("ask again");
        let told = not_here("app:1", &["Docker at /run: no such file".to_owned()], registry);
        assert!(told.message.ends_with("no image here, and registry.example does not answer"), "{}", told.message);
        assert_eq!(told.hints, ["Docker at /run: no such file", "ask again"]);
    }
}

//! Programs of this root file system that variables cannot give a root. In: the root file system, the variables. Out: warnings that name them.
//!
//! Some read roots that are compiled in, a database of their own or the system's store and nothing else; no variable names another to them.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use sidelight_image::trust::{self, TrustWatch};
use sidelight_model::trust::effective::{Situation, SourceKind, effective_auto};
use sidelight_model::trust::{Content, Effective, Program, ProgramKind, Runtime, Store, Survey};

use super::install::JAVA;
use crate::cli::ImageOptions;
use crate::commands::image_source;
use crate::commands::source_roots::name;
use crate::render::escape;
use crate::ui::Ui;

/// A start waits no longer for an image to be read; most take a fraction of a second.
const LONGEST: Duration = Duration::from_secs(5);
/// Fewer certificates than this in a program are examples, or pins.
const FEWEST: usize = 20;
/// Modules of Go whose roots are taken only where the system has none.
const GO_FALLBACKS: &[&str] = &["golang.org/x/crypto/x509roots/fallback", "github.com/breml/rootcerts"];
/// Programs that variables reach although their library takes none.
const REACHED: &[&str] = &["curl", "git-remote-ftp", "git-remote-ftps", "git-remote-http", "git-remote-https", "wget"];
/// Folders of such programs: apt's methods.
const REACHED_BELOW: &[&str] = &["/apt/methods/", "/git-core/"];

/// Warns of each. A whole machine is not read for it, and nobody's entrypoint runs on one.
pub(super) fn warn(set: &[(OsString, OsString)], ui: Ui) {
    if !sidelight_host::first_use::is_image_root() {
        return;
    }
    let unknown = |why: &str| ui.warning(&format!("whether the variables reach every program is not known: {why}"));
    let until = Instant::now() + LONGEST;
    let mut watch = TrustWatch::until(move |_, _| Instant::now() >= until);
    // Everything but what is mounted: a program may lie anywhere.
    let opened = image_source::open("rootfs:/", &ImageOptions::default(), ui);
    let collected = opened.and_then(|mut opened| opened.collect(&mut watch).map_err(image_source::failure));
    let collected = match collected {
        Ok(collected) => collected,
        Err(failure) => return unknown(&failure.message),
    };
    if watch.is_enough() {
        unknown(&format!("to read the image takes more than {} s, so it was read in part", LONGEST.as_secs()));
    }
    let survey = trust::survey("/", collected, watch);
    for line in unreached(&survey, set) {
        ui.warning(&format!("not reached by any variable: {}", escape::line(&line)));
    }
    if has_java(&survey) {
        ui.warning(JAVA);
    }
}

fn has_java(survey: &Survey) -> bool {
    survey.files.keys().any(|path| path.ends_with("/libjvm.so"))
}

/// Every program, and why.
fn unreached(survey: &Survey, set: &[(OsString, OsString)]) -> Vec<String> {
    let text = |value: &OsString| value.to_string_lossy().into_owned();
    let own = std::env::vars_os();
    let env = own.chain(set.iter().cloned()).map(|(name, value)| (text(&name), Some(text(&value)))).collect();
    let situation = Situation { env, ..Situation::default() };
    let by_rules = effective_auto(survey, &situation);
    let by_rules = by_rules.iter().filter_map(|it| Some((it.program.clone()?, name(it), by_its_rules(it)?.to_owned())));
    let linked = survey.files.values().filter_map(|file| {
        let Content::Program(program, store) = &file.content else { return None };
        let (what, why) = by_its_code(&file.path, program, store.as_ref())?;
        Some((file.path.clone(), what.to_owned(), why.to_owned()))
    });
    let mut all: Vec<String> =
        by_rules.chain(linked).map(|(path, what, why)| format!("{path} ({what}) {why}")).collect();
    all.sort();
    all.dedup();
    all
}

/// What the rules of its runtime say.
fn by_its_rules(effective: &Effective) -> Option<&'static str> {
    let is_fixed = || effective.sources.iter().all(|source| source.kind == SourceKind::CompiledIn);
    match effective.runtime {
        Runtime::RustWebpki => Some("has its roots compiled in"),
        Runtime::Nss => Some("has a database of its own"),
        Runtime::Go if !effective.sources.is_empty() && is_fixed() => {
            Some("takes the roots that are compiled in, as GODEBUG says")
        }
        _ => None,
    }
}

/// What its own code says, where no rules of a runtime do.
fn by_its_code(path: &str, program: &Program, store: Option<&Store>) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| program.values.iter().any(|(known, _)| *known == name);
    let needs =
        |library: &str| program.values.iter().any(|(known, value)| *known == "needed" && value.starts_with(library));
    let base = path.rsplit('/').next().unwrap_or(path);
    let is_reached = REACHED.contains(&base) || REACHED_BELOW.iter().any(|folder| path.contains(folder));
    if program.kind != ProgramKind::Executable || is_reached {
        return None;
    }
    if has("go") {
        let falls_back = program.go_modules.iter().any(|(module, _)| GO_FALLBACKS.contains(&module.as_str()));
        let own = store.is_some_and(|store| store.entries.len() >= FEWEST) && !falls_back;
        return own.then_some(("Go", "has roots of its own compiled in, and takes them alone if it was written so"));
    }
    if needs("libgnutls") {
        return Some(("GnuTLS", "reads the system's store alone"));
    }
    needs("libcurl").then_some(("libcurl", "reads the system's store alone, unless it names another"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(values: &[(&'static str, &str)]) -> Program {
        let values = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Program {
            kind: ProgramKind::Executable,
            markers: Vec::new(),
            values,
            go_modules: Vec::new(),
            known_keys: Vec::new(),
        }
    }

    #[test]
    fn programs_are_named_and_those_with_a_variable_are_not() {
        let why =
            |path: &str, values: &[(&'static str, &str)]| by_its_code(path, &program(values), None).map(|(it, _)| it);
        assert_eq!(why("/usr/bin/lftp", &[("needed", "libgnutls.so.30")]), Some("GnuTLS"));
        assert_eq!(why("/usr/bin/cmake", &[("needed", "libcurl.so.4")]), Some("libcurl"));
        for (path, library) in [
            ("/usr/bin/curl", "libcurl.so.4"),
            ("/usr/bin/wget", "libgnutls.so.30"),
            ("/usr/lib/git-core/git-remote-http", "libcurl-gnutls.so.4"),
            ("/usr/lib/apt/methods/http", "libgnutls.so.30"),
            ("/usr/bin/openssl", "libssl.so.3"),
        ] {
            assert_eq!(why(path, &[("needed", library)]), None, "{path}");
        }
        assert_eq!(why("/app/service", &[("go", "1.27.3")]), None);
        let mut library = program(&[("needed", "libgnutls.so.30")]);
        library.kind = ProgramKind::Library;
        assert_eq!(by_its_code("/usr/lib/libldap.so", &library, None), None);
    }
}

//! Roots that a user names: in files, or as an image source, where those of its main runtime count. In: `--roots`, `--from`.
//! Out: certificates, for judging and for the library.

use std::path::{Path, PathBuf};

use sidelight_engine::tls::{RootsError, Trusted};
use sidelight_image::Source;
use sidelight_image::trust::{self, TrustWatch};
use sidelight_model::trust::effective::{effective, effective_auto};
use sidelight_model::trust::{Effective, Runtime, Survey};
use sidelight_wire::{jks, pkcs12};

use super::{image_source, survey};
use crate::cli::{AsRuntime, ImageOptions, SetVariable};
use crate::exit::Failure;
use crate::ui::Ui;

/// Bytes of a key store that are read.
const LARGEST: u64 = 64 << 20;
/// Losses of a runtime that are told.
const MOST_LOSSES: usize = 6;

/// The runtimes of a source, the one that counts first.
pub(crate) struct MainRuntime {
    source: String,
    /// What was found in the source.
    pub(crate) survey: Survey,
    /// The runtime that counts.
    pub(crate) chosen: Effective,
    /// The others.
    pub(crate) rest: Vec<Effective>,
    /// The process, where the source runs.
    pub(crate) pid: Option<u32>,
}

impl MainRuntime {
    /// Surveys the source, and foretells what its runtimes have: the one that is asked for, else those that are found, the one
    /// that the image starts first.
    ///
    /// # Errors
    /// When the source cannot be meant, found or read.
    pub(crate) fn of(
        source: &str,
        image: &ImageOptions,
        runtime: Option<AsRuntime>,
        env: &[SetVariable],
        ui: Ui,
    ) -> Result<Self, Failure> {
        let mut opened = image_source::open(source, image, ui)?;
        let pid = opened.pid();
        let mut watch = TrustWatch::new();
        let collected = opened.collect(&mut watch).map_err(image_source::failure)?;
        let survey = trust::survey(source, collected, watch);
        let situation = SetVariable::situation(env, None);
        let mut all = match runtime {
            Some(AsRuntime::One(runtime)) => effective(&survey, runtime, &situation),
            Some(AsRuntime::Auto) | None => effective_auto(&survey, &situation),
        };
        // An image in which no runtime is found may still hold a bundle where most programs look for it.
        for runtime in [Runtime::Curl, Runtime::Go, Runtime::OpenSsl] {
            if all.is_empty() {
                all = effective(&survey, runtime, &situation);
                all.retain(|it| runtime == Runtime::OpenSsl || it.accepted().next().is_some());
            }
        }
        if all.is_empty() {
            return Err(Failure::new(format!("{source}: no runtime to judge for")));
        }
        let chosen = all.remove(0);
        Ok(Self { source: source.to_owned(), survey, chosen, rest: all, pid })
    }

    /// `Go 1.27.3 in container:app`.
    pub(crate) fn called(&self, effective: &Effective) -> String {
        format!("{} in {}", name(effective), self.source)
    }

    /// The certificates by which one of them accepts chains.
    pub(crate) fn ders(&self, effective: &Effective) -> Vec<Vec<u8>> {
        ders(&self.survey, effective)
    }

    /// What the one that counts loses, and why; and where it reads.
    pub(crate) fn notes(&self) -> (Vec<String>, String) {
        notes(&self.chosen, &self.survey)
    }
}

/// The roots that `--roots` names: files, folders of files, key stores, and image sources, of which the roots count that the runtime
/// has which the image starts. None at all is an answer, not an error: nothing is trusted then.
///
/// # Errors
/// When a file or source cannot be read.
pub(crate) fn of_option(given: &[PathBuf], ui: Ui) -> Result<Trusted, Failure> {
    let mut all = Trusted { source: String::new(), ..Trusted::default() };
    let mut names = Vec::new();
    for file in given {
        if is_source(file) {
            let read = of_source(&file.to_string_lossy(), ui)?;
            names.push(read.source);
            all.roots.extend(read.roots);
            all.warnings.extend(read.warnings);
            continue;
        }
        names.push(file.display().to_string());
        let read = match Trusted::from_paths(std::slice::from_ref(file)) {
            Ok(read) => read,
            Err(RootsError::Empty { .. }) => of_key_store(file)?,
            Err(error) => return Err(Failure::new(format!("--roots: {error}"))),
        };
        all.roots.extend(read.roots);
        all.warnings.extend(read.warnings);
    }
    all.source = names.join(", ");
    Ok(all)
}

/// Whether this value of `--roots` is an image source rather than a file. What exists is a file; a word that has the name of
/// one is a file that is missing, not an image to be asked of a registry.
pub(crate) fn is_source(given: &Path) -> bool {
    const FILES: &[&str] = &["pem", "crt", "cer", "der", "jks", "p12", "pfx", "ks"];
    if given.exists() {
        return false;
    }
    match given.to_string_lossy().parse::<Source>() {
        Ok(bare @ Source::Bare(_)) => {
            let has_name_of_file = given.extension().and_then(|it| it.to_str()).is_some_and(|it| FILES.contains(&it));
            !has_name_of_file && !bare.names_a_file()
        }
        Ok(_) => true,
        Err(_) => false,
    }
}

/// The roots that a source's main runtime has.
fn of_source(source: &str, ui: Ui) -> Result<Trusted, Failure> {
    match source.parse::<Source>() {
        Ok(Source::Host) => return Ok(Trusted::of_host()),
        Ok(Source::Mozilla) => {
            let survey = survey::survey(source, &ImageOptions::default(), ui)?;
            let roots = survey.pool.all().iter().map(|cert| cert.der.clone().into()).collect();
            return Ok(Trusted { roots, source: survey.image.unwrap_or_default(), ..Trusted::default() });
        }
        _ => {}
    }
    let main = MainRuntime::of(source, &ImageOptions::default(), None, &[], ui)?;
    let (warnings, _) = main.notes();
    Ok(Trusted {
        roots: main.ders(&main.chosen).into_iter().map(Into::into).collect(),
        source: main.called(&main.chosen),
        warnings,
        ..Trusted::default()
    })
}

/// The certificates of a JKS or PKCS#12 file; none when it is neither.
fn of_key_store(file: &Path) -> Result<Trusted, Failure> {
    let nothing = |why: String| Trusted { warnings: vec![format!("{}: {why}", file.display())], ..Trusted::default() };
    if file.is_dir() {
        return Ok(nothing("no certificate in any of its files".to_owned()));
    }
    let bytes = sidelight_host::files::read_bounded(file, LARGEST)
        .map_err(|error| Failure::new(format!("--roots: {error}")))?;
    let from_jks = jks::read(&bytes, None).ok().map(|(entries, _)| {
        let trusted = entries.into_iter().filter_map(|entry| match entry.kind {
            jks::EntryKind::Certificate(certificate) => Some(certificate.der),
            jks::EntryKind::PrivateKey { .. } => None,
        });
        trusted.collect::<Vec<_>>()
    });
    let from_pkcs12 = || {
        let contents = ["", "changeit"].iter().find_map(|password| pkcs12::read(&bytes, password).ok())?;
        Some(contents.certificates.into_iter().map(|cert| cert.der).collect::<Vec<_>>())
    };
    let Some(found) = from_jks.or_else(from_pkcs12) else {
        return Ok(nothing("no certificate that can be read".to_owned()));
    };
    Ok(Trusted { roots: found.into_iter().map(Into::into).collect(), ..Trusted::default() })
}

/// `Go 1.27.3`.
pub(crate) fn name(effective: &Effective) -> String {
    match &effective.version {
        Some(version) if !effective.label.contains(version.as_str()) => format!("{} {version}", effective.label),
        _ => effective.label.clone(),
    }
}

/// The certificates by which it accepts chains.
fn ders(survey: &Survey, effective: &Effective) -> Vec<Vec<u8>> {
    if effective.fails.is_some() {
        return Vec::new();
    }
    effective.accepted().map(|cert| survey.pool.get(cert).der.clone()).collect()
}

/// What it loses, and why; and where it reads.
fn notes(effective: &Effective, survey: &Survey) -> (Vec<String>, String) {
    let who = name(effective);
    let mut notes: Vec<String> = effective.fails.iter().map(|why| format!("{who}: {why}")).collect();
    let read: Vec<_> = effective.sources.iter().map(|source| format!("{} ({})", source.path, source.why)).collect();
    let reads =
        format!("{who} reads its roots from {}", if read.is_empty() { "nowhere".to_owned() } else { read.join(", ") });
    for lost in effective.lost.iter().take(MOST_LOSSES) {
        let what = lost
            .cert
            .map_or_else(|| "something".to_owned(), |cert| format!("`{}`", survey.pool.get(cert).short_name()));
        let line = lost.line.map(|line| format!(":{line}")).unwrap_or_default();
        notes.push(format!("{who} does not get {what} from {}{line}: {}", lost.file, lost.why));
    }
    (notes, reads)
}

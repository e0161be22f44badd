//! The roots that a runtime of an image really has, and the network of one that runs. In: `--from SOURCE`, `--as`. Out: [`Found`].

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sidelight_engine::tls::Trusted;
use sidelight_host::files::resolve_in_root;
use sidelight_image::Source;
use sidelight_image::trust::{self, TrustWatch};
use sidelight_model::diagnose::Roots;
use sidelight_model::trust::effective::{effective, effective_auto};
use sidelight_model::trust::{Effective, Runtime, Situation, Survey};
use sidelight_model::x509::Anchors;
use sidelight_model::x509::path::{Profile, Stack};

use super::{Found, Place};
use crate::cli::{AsRuntime, DiagnoseTrust};
use crate::commands::{image_source, survey};
use crate::exit::Failure;
use crate::ui::Ui;

/// Bytes of a hosts file or resolv.conf that are read.
const LARGEST: u64 = 1 << 20;
/// Losses of a runtime that are told.
const MOST_LOSSES: usize = 6;

/// Surveys the source, and takes the roots of the runtime that counts.
///
/// # Errors
/// When the source cannot be meant, found or read.
pub(super) fn find(source: &str, options: &DiagnoseTrust, ui: Ui) -> Result<Found, Failure> {
    if source.parse::<Source>().is_ok_and(|source| source == Source::Mozilla) {
        let survey = survey::survey(source, &options.image, ui)?;
        let all = survey.pool.all().iter().map(|cert| cert.der.clone()).collect();
        let rules = Profile::Stack(Stack::Of(Runtime::Curl));
        return Ok(found(survey.image.clone().unwrap_or_default(), all, Vec::new(), rules, Vec::new(), None));
    }
    let mut opened = image_source::open(source, &options.image, ui)?;
    let pid = opened.pid();
    let mut watch = TrustWatch::new();
    let collected = opened.collect(&mut watch).map_err(image_source::failure)?;
    let survey = trust::survey(source, collected, watch);
    let situation = Situation::default();
    let all = match options.runtime {
        Some(AsRuntime::One(runtime)) => effective(&survey, runtime, &situation),
        Some(AsRuntime::Auto) | None => effective_auto(&survey, &situation),
    };
    // An image in which no runtime is found may still hold a bundle where most programs look for it.
    let all = if all.is_empty() { effective(&survey, Runtime::OpenSsl, &situation) } else { all };
    let (chosen, rest) = all.split_first().ok_or_else(|| Failure::new(format!("{source}: no runtime to judge for")))?;
    let others = rest
        .iter()
        .map(|it| (format!("{} in {source}", name(it)), Anchors::new(ders(&survey, it).iter().map(Vec::as_slice))));
    let others = others.collect();
    let place = pid.map(|pid| place(source, pid, &survey)).transpose()?;
    Ok(found(
        format!("{} in {source}", name(chosen)),
        ders(&survey, chosen),
        notes(chosen, &survey),
        rules(chosen),
        others,
        place,
    ))
}

fn found(
    source: String,
    ders: Vec<Vec<u8>>,
    notes: Vec<String>,
    rules: Profile,
    others: Vec<(String, Anchors)>,
    place: Option<Place>,
) -> Found {
    let roots = Roots::new(source.clone(), ders.iter().map(Vec::as_slice), notes);
    let trusted =
        Trusted { roots: ders.into_iter().map(Into::into).collect(), source: source.clone(), ..Trusted::default() };
    Found { roots, trusted, rules, others, place }
}

/// The rules of the runtime; Python has stricter ones from 3.13 on.
fn rules(effective: &Effective) -> Profile {
    let minor = |version: &String| version.strip_prefix("3.")?.split('.').next()?.parse::<u32>().ok();
    let strict =
        effective.runtime == Runtime::Python && effective.version.as_ref().and_then(minor).is_some_and(|it| it >= 13);
    Profile::Stack(if strict { Stack::PythonStrict } else { Stack::Of(effective.runtime) })
}

/// `Go 1.27.3`.
fn name(effective: &Effective) -> String {
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

/// Where it reads, what it loses there, and why.
fn notes(effective: &Effective, survey: &Survey) -> Vec<String> {
    let who = name(effective);
    let mut notes: Vec<String> = effective.fails.iter().map(|why| format!("{who}: {why}")).collect();
    let read: Vec<_> = effective.sources.iter().map(|source| format!("{} ({})", source.path, source.why)).collect();
    notes.push(format!(
        "{who} reads its roots from {}",
        if read.is_empty() { "nowhere".to_owned() } else { read.join(", ") }
    ));
    for lost in effective.lost.iter().take(MOST_LOSSES) {
        let what = lost
            .cert
            .map_or_else(|| "something".to_owned(), |cert| format!("`{}`", survey.pool.get(cert).short_name()));
        let line = lost.line.map(|line| format!(":{line}")).unwrap_or_default();
        notes.push(format!("{who} does not get {what} from {}{line}: {}", lost.file, lost.why));
    }
    notes
}

/// The network, the names and the environment of a process.
fn place(source: &str, pid: u32, survey: &Survey) -> Result<Place, Failure> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let namespace = format!("/proc/{pid}/ns/net");
    let inode = |path: &str| std::fs::metadata(path).map(|it| it.ino());
    let same = matches!((inode(&namespace), inode("/proc/self/ns/net")), (Ok(one), Ok(other)) if one == other);
    let open = || File::open(&namespace).map_err(|error| Failure::new(format!("{namespace}: {error}")));
    Ok(Place {
        name: source.to_owned(),
        namespace: if same { None } else { Some(open()?.into()) },
        hosts: text(&root, "/etc/hosts"),
        resolv_conf: text(&root, "/etc/resolv.conf"),
        env: survey.config.env.clone(),
    })
}

/// A file as the process sees it; empty when it is not there.
fn text(root: &Path, path: &str) -> String {
    let found = resolve_in_root(root, Path::new(path)).ok();
    let bytes = found.and_then(|path| sidelight_host::files::read_bounded(&path, LARGEST).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

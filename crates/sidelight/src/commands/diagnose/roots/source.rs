//! The roots that a runtime of an image really has, and the network of one that runs. In: `--from SOURCE`, `--as`. Out: [`Found`].

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sidelight_engine::tls::Trusted;
use sidelight_host::files::resolve_in_root;
use sidelight_image::Source;
use sidelight_model::diagnose::Roots;
use sidelight_model::trust::{Effective, Runtime, Survey};
use sidelight_model::x509::Anchors;
use sidelight_model::x509::path::{Profile, Stack};

use super::{Found, Place};
use crate::cli::DiagnoseTrust;
use crate::commands::source_roots::MainRuntime;
use crate::commands::survey;
use crate::exit::Failure;
use crate::ui::Ui;

/// Bytes of a hosts file or resolv.conf that are read.
const LARGEST: u64 = 1 << 20;

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
    let main = MainRuntime::of(source, &options.image, options.runtime, &options.env, ui)?;
    let others = main.rest.iter();
    let others = others.map(|it| (main.called(it), Anchors::new(main.ders(it).iter().map(Vec::as_slice)))).collect();
    let place = main.pid.map(|pid| place(source, pid, &main.survey)).transpose()?;
    let (mut notes, reads) = main.notes();
    notes.push(reads);
    let ders = main.ders(&main.chosen);
    Ok(found(main.called(&main.chosen), ders, notes, rules(&main.chosen), others, place))
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

//! What runs in an image, told by its files. In: a survey. Out: runtimes with the file that shows each, the one that is started first.

use super::Situation;
use super::ground::{Ground, base, needs, value};
use super::{python, rust};
use crate::trust::{Content, File, Format, Program, Runtime, Store, Survey};

/// A runtime that is in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Which.
    pub runtime: Runtime,
    /// Its version, where known.
    pub version: Option<String>,
    /// The file that shows it.
    pub path: String,
    /// What in it: a clause for people.
    pub evidence: String,
    /// Whether it is what the image starts.
    pub is_started: bool,
}

/// What runs in the image: what it starts first, then in order of the names.
pub fn runtimes(survey: &Survey, situation: &Situation) -> Vec<Detected> {
    let ground = Ground::new(survey, situation);
    let started = ground.started();
    let mut found: Vec<Detected> = Vec::new();
    for file in survey.files.values() {
        let detected = match &file.content {
            Content::Program(program, store) => of_program(file, program, store.as_ref()),
            Content::Store(store) if store.format == Format::NssDb => {
                vec![(Runtime::Nss, None, "a database of NSS".to_owned())]
            }
            _ => Vec::new(),
        };
        for (runtime, version, evidence) in detected {
            let is_started = started.as_deref() == Some(file.path.as_str());
            let known = found.iter_mut().find(|known| known.runtime == runtime && known.version == version);
            match known {
                Some(known) if is_started && !known.is_started => {
                    *known = Detected { runtime, version, path: file.path.clone(), evidence, is_started };
                }
                Some(_) => {}
                None => found.push(Detected { runtime, version, path: file.path.clone(), evidence, is_started }),
            }
        }
    }
    if let Some(runtime) = started.as_deref().and_then(|path| by_script(&ground, path)) {
        for known in found.iter_mut().filter(|known| known.runtime == runtime) {
            known.is_started = true;
        }
    }
    found.sort_by_key(|detected| (!detected.is_started, detected.runtime));
    found
}

/// The runtime of a script that is started, by its first line.
fn by_script(ground: &Ground<'_>, path: &str) -> Option<Runtime> {
    let Content::Program(program, _) = &ground.survey.files.get(path)?.content else { return None };
    let interpreter = value(program, "interpreter")?;
    let names = [("python", Runtime::Python), ("node", Runtime::Node)];
    names.iter().find(|(name, _)| interpreter.contains(name)).map(|(_, runtime)| *runtime)
}

type Sign = (Runtime, Option<String>, String);

fn of_program(file: &File, program: &Program, store: Option<&Store>) -> Vec<Sign> {
    let name = base(&file.path);
    let mut found = Vec::new();
    let mut add = |runtime, version: Option<&str>, evidence: &str| {
        found.push((runtime, version.map(str::to_owned), evidence.to_owned()));
    };
    if let Some(version) = value(program, "go") {
        add(Runtime::Go, Some(version), "Go's build information");
    }
    match name {
        "curl" => add(Runtime::Curl, None, "the program"),
        "wget" => add(Runtime::Wget, None, "the program"),
        "git-remote-https" | "git-remote-http" => add(Runtime::Git, None, "git's program for HTTPS"),
        "libjvm.so" => add(Runtime::Java, None, "the JVM"),
        _ => {}
    }
    if name.starts_with("libgnutls.so") {
        add(Runtime::GnuTls, None, "the library");
    } else if name.starts_with("libssl.so") || (name == "openssl" && !needs(program, "libssl.so")) {
        add(Runtime::OpenSsl, name.strip_prefix("libssl.so."), "the library");
    } else if name.starts_with("libSystem.Security.Cryptography.Native") {
        add(Runtime::DotNet, None, ".NET's library for OpenSSL");
    } else if name.starts_with("libnssckbi") {
        add(Runtime::Nss, None, "NSS's library of roots");
    } else if let Some(version) = python::version(name) {
        add(Runtime::Python, Some(version), "the interpreter");
    }
    let is_node = matches!(name, "node" | "nodejs") || name.starts_with("libnode.so");
    if is_node && program.markers.contains(&"NODE_EXTRA_CA_CERTS") {
        add(Runtime::Node, value(program, "node"), "the program");
    }
    if rust::is_native(program) {
        add(Runtime::RustNative, None, "it names the places of openssl-probe");
    } else if rust::is_webpki(program, store) {
        add(Runtime::RustWebpki, None, "public keys of Mozilla's roots are compiled into it");
    }
    found
}

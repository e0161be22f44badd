//! curl, git and wget, whichever TLS library they are linked to, and GnuTLS's system trust. In: the ground. Out: what they trust.

use super::gather::Gather;
use super::ground::{Ground, Value, needs, value};
use super::openssl::{default_paths, folders};
use super::{Effective, SourceState, nss};
use crate::trust::{Program, Reader, Runtime};

/// Bundles that libcurl's makers compile in, for images in which the library does not tell.
const LIKELY: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS libraries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Library {
    OpenSsl,
    GnuTls,
}

impl Library {
    const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "OpenSSL",
            Self::GnuTls => "GnuTLS",
        }
    }

    /// Whose rules judge chains; libcurl asks OpenSSL for more than OpenSSL's own programs do.
    const fn judge(self, on_openssl: Runtime) -> Runtime {
        match self {
            Self::OpenSsl => on_openssl,
            Self::GnuTls => Runtime::GnuTls,
        }
    }

    const fn reader(self) -> Reader {
        match self {
            Self::OpenSsl => Reader::OpenSslFile,
            Self::GnuTls => Reader::GnuTls,
        }
    }
}

/// The TLS library of a program, and the libcurl between, if there is one.
fn library<'s>(ground: &Ground<'s>, program: Option<&'s Program>) -> (Library, Option<&'s Program>) {
    let is_gnutls = program.is_some_and(|program| needs(program, "libcurl-gnutls"));
    let libcurl =
        ground.library(if is_gnutls { "libcurl-gnutls.so" } else { "libcurl.so" }).map(|(_, library)| library);
    let linked = |program: Option<&Program>, library| program.is_some_and(|program| needs(program, library));
    let library = if is_gnutls
        || linked(program, "libgnutls.so")
        || linked(libcurl, "libgnutls.so") && !linked(program, "libssl.so")
    {
        Library::GnuTls
    } else {
        Library::OpenSsl
    };
    (library, libcurl)
}

/// What libcurl reads: a file that must be sound, and a folder.
fn libcurl(
    gather: &mut Gather<'_>,
    library: Library,
    file: Option<(String, String)>,
    folder: Option<(String, String)>,
) {
    if let Some((path, why)) = file {
        let is_there = gather.file(&path, library.reader(), &why);
        let refused = gather.out.sources.last().is_some_and(|source| matches!(source.state, SourceState::Refused(_)));
        if !is_there || refused {
            let what = if is_there { "cannot be read whole" } else { "is not there" };
            gather.out.fails = Some(format!("{path} {what}: every connection ends with curl's error 77"));
        }
    }
    if let Some((path, why)) = folder {
        match library {
            Library::OpenSsl => gather.hashed_folder(&path, &why),
            Library::GnuTls => drop(gather.folder(&path, Reader::GnuTls, &why, false)),
        }
    }
    if gather.out.fails.is_some() {
        gather.out.roots.clear();
    }
}

/// The file and folder compiled into libcurl.
fn compiled(
    ground: &Ground<'_>,
    libcurl: Option<&Program>,
    program: Option<&Program>,
) -> (Option<String>, Option<String>) {
    let told =
        |name| libcurl.and_then(|library| value(library, name)).or_else(|| program.and_then(|it| value(it, name)));
    let file = told("curl-ca-bundle").map(str::to_owned);
    let folder = told("curl-ca-path").map(str::to_owned);
    if file.is_some() || folder.is_some() {
        return (file, folder);
    }
    let likely = LIKELY.iter().find(|path| ground.survey.file(path).is_some()).or(LIKELY.first());
    (likely.map(|path| (*path).to_owned()), None)
}

const COMPILED: &str = "the default of libcurl";

/// curl, the tool.
pub(super) fn curl(ground: &Ground<'_>) -> Vec<Effective> {
    let program = ground.program(&["curl"]);
    let (library, between) = library(ground, program.map(|(_, program)| program));
    let label = format!("curl on {}", library.name());
    let mut gather = Gather::new(ground, Runtime::Curl, label).of(program.map(|(file, _)| file.path.as_str()), None);
    gather.judge = library.judge(Runtime::Curl);
    let home = ground.home();
    let mut files = vec![format!("{home}/.curlrc"), format!("{home}/.config/curlrc"), "/etc/curlrc".to_owned()];
    for (name, file) in [("CURL_HOME", ".curlrc"), ("XDG_CONFIG_HOME", "curlrc")] {
        files.extend(ground.var(name).map(|set| format!("{}/{file}", set.value)));
    }
    let (compiled_file, compiled_folder) = compiled(ground, between, program.map(|(_, program)| program));
    let mut file = ground.setting(&files, &["cacert"]);
    let mut folder = ground.setting(&files, &["capath"]);
    if file.is_none() && folder.is_none() {
        file = ground.var("CURL_CA_BUNDLE");
        if file.is_none() {
            file = ground.var("SSL_CERT_FILE");
            folder = ground.var("SSL_CERT_DIR");
        }
    }
    let or_compiled = |set: Option<Value>, compiled: Option<String>| match set {
        Some(set) => Some((set.value, set.origin)),
        None => compiled.map(|path| (path, COMPILED.to_owned())),
    };
    libcurl(&mut gather, library, or_compiled(file, compiled_file), or_compiled(folder, compiled_folder));
    if let Some(off) = ground.setting(&files, &["insecure", "k"]) {
        gather.note(format!("verification is switched off in {}", off.origin));
    }
    gather.anchors();
    vec![gather.done()]
}

/// git: libcurl, told by git's own settings.
pub(super) fn git(ground: &Ground<'_>) -> Vec<Effective> {
    let program = ground.program(&["git-remote-https", "git-remote-http"]).or_else(|| ground.program(&["git"]));
    let (library, between) = library(ground, program.map(|(_, program)| program));
    let label = format!("git on {}", library.name());
    let mut gather = Gather::new(ground, Runtime::Git, label).of(program.map(|(file, _)| file.path.as_str()), None);
    gather.judge = library.judge(Runtime::Curl);
    let home = ground.home();
    let files = ["/etc/gitconfig".to_owned(), format!("{home}/.config/git/config"), format!("{home}/.gitconfig")];
    let (compiled_file, compiled_folder) = compiled(ground, between, program.map(|(_, program)| program));
    let set = |variable, name, compiled: Option<String>| {
        let set = ground.var(variable).or_else(|| ground.setting(&files, &[name]));
        set.map(|set| (set.value, set.origin)).or_else(|| compiled.map(|path| (path, COMPILED.to_owned())))
    };
    let file = set("GIT_SSL_CAINFO", "sslcainfo", compiled_file);
    let folder = set("GIT_SSL_CAPATH", "sslcapath", compiled_folder);
    libcurl(&mut gather, library, file, folder);
    let off =
        ground.setting(&files, &["sslverify"]).filter(|set| ["false", "0", "no", "off"].contains(&set.value.as_str()));
    if let Some(off) = ground.var("GIT_SSL_NO_VERIFY").or(off) {
        gather.note(format!("verification is switched off: {}", off.origin));
    }
    unheeded(&mut gather, &["SSL_CERT_FILE", "CURL_CA_BUNDLE"], "git");
    gather.anchors();
    vec![gather.done()]
}

/// wget.
pub(super) fn wget(ground: &Ground<'_>) -> Vec<Effective> {
    let program = ground.program(&["wget"]);
    let is_busybox = ground.find_program("wget").is_some_and(|path| path.ends_with("/busybox"));
    let (library, _) = library(ground, program.map(|(_, program)| program));
    let label = format!("wget on {}", library.name());
    let mut gather = Gather::new(ground, Runtime::Wget, label).of(program.map(|(file, _)| file.path.as_str()), None);
    gather.judge = library.judge(Runtime::OpenSsl);
    let mut files = vec!["/etc/wgetrc".to_owned(), format!("{}/.wgetrc", ground.home())];
    files.extend(ground.var("WGETRC").map(|set| set.value));
    let folder = ground.setting(&files, &["ca_directory"]);
    match (&folder, library) {
        (None, Library::GnuTls) => system_trust(&mut gather),
        (Some(set), Library::GnuTls) => drop(gather.folder(&set.value, Reader::GnuTls, &set.origin, false)),
        (_, Library::OpenSsl) => {
            if let Some(found) = folders(ground).first() {
                default_paths(&mut gather, found);
            }
            folder.iter().for_each(|set| gather.hashed_folder(&set.value, &set.origin));
        }
    }
    if let Some(set) = ground.setting(&files, &["ca_certificate"]) {
        gather.file(&set.value, library.reader(), &set.origin);
    }
    if let Some(off) = ground.setting(&files, &["check_certificate"]).filter(|set| set.value == "off") {
        gather.note(format!("verification is switched off in {}", off.origin));
    }
    if is_busybox {
        gather.out.program = ground.find_program("wget");
        gather.note("wget here is BusyBox's, which does not verify certificates at all");
    }
    if library == Library::GnuTls {
        unheeded(&mut gather, &["SSL_CERT_FILE"], "wget on GnuTLS");
    }
    gather.anchors();
    vec![gather.done()]
}

/// Variables that are set for others, and that this program does not look at.
fn unheeded(gather: &mut Gather<'_>, names: &[&str], who: &str) {
    for name in names {
        if gather.ground.var(name).is_some() {
            gather.note(format!("{name} is set, but {who} does not look at it"));
        }
    }
}

/// Programs on GnuTLS.
pub(super) fn gnutls(ground: &Ground<'_>) -> Vec<Effective> {
    let found = ground.library("libgnutls.so").map(|(file, _)| file.path.as_str());
    let mut gather = Gather::new(ground, Runtime::GnuTls, "GnuTLS").of(found, None);
    system_trust(&mut gather);
    unheeded(&mut gather, &["SSL_CERT_FILE"], "GnuTLS");
    gather.anchors();
    vec![gather.done()]
}

/// GnuTLS's system trust: a file that is compiled in, or p11-kit's.
fn system_trust(gather: &mut Gather<'_>) {
    let ground = gather.ground;
    let library = ground.library("libgnutls.so");
    let told = library.and_then(|(_, program)| value(program, "gnutls-file"));
    let why =
        library.map_or_else(|| "the likely default".to_owned(), |(file, _)| format!("the default of {}", file.path));
    match told {
        Some(path) if path.starts_with("pkcs11:") => nss::p11_kit(gather, &why),
        Some(path) => drop(gather.file(path, Reader::GnuTls, &why)),
        None => {
            let likely = LIKELY.iter().find(|path| ground.survey.file(path).is_some()).unwrap_or(&LIKELY[0]);
            gather.file(likely, Reader::GnuTls, "the likely default; the library does not tell it");
        }
    }
}

//! The JDK. In: the ground. Out: what its default trust manager has: `javax.net.ssl.trustStore`, else `jssecacerts`, else `cacerts`.

use super::gather::Gather;
use super::ground::{Ground, Value, base};
use super::{Effective, SourceKind, SourceState};
use crate::trust::{Content, Format, Reader, Runtime};

/// One result for each JDK of the image.
pub(super) fn java(ground: &Ground<'_>) -> Vec<Effective> {
    let mut homes: Vec<(String, String)> = Vec::new();
    for (file, ..) in ground.programs().filter(|(file, ..)| base(&file.path) == "libjvm.so") {
        let home = home(&file.path);
        if !homes.iter().any(|(known, _)| *known == home) {
            homes.push((home, file.path.clone()));
        }
    }
    if let Some(chosen) = ground.var("JAVA_HOME") {
        homes.sort_by_key(|(home, _)| ground.survey.resolve(&chosen.value).as_ref() != Some(home));
    }
    let several = homes.len() > 1;
    let one = |home: Option<(String, String)>| {
        let version = home.as_ref().and_then(|(home, _)| version(ground, home));
        let label = match (&home, several) {
            (Some((home, _)), true) => format!("Java in {home}"),
            _ => "Java".to_owned(),
        };
        let program = home.as_ref().map(|(_, program)| program.as_str());
        let mut gather = Gather::new(ground, Runtime::Java, label).of(program, version.as_deref());
        read(&mut gather, home.as_ref().map(|(home, _)| home.as_str()));
        gather.anchors();
        gather.done()
    };
    if homes.is_empty() { vec![one(None)] } else { homes.into_iter().map(|home| one(Some(home))).collect() }
}

/// The folder above `lib/server/libjvm.so`; for Java 8 `jre/lib/amd64/server/libjvm.so`.
fn home(libjvm: &str) -> String {
    libjvm.rfind("/lib/").map_or("/", |at| &libjvm[..at]).to_owned()
}

fn version(ground: &Ground<'_>, home: &str) -> Option<String> {
    let release = ground.text(&format!("{home}/release")).or_else(|| ground.text(&format!("{home}/../release")))?;
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    Some(line.trim_matches('"').to_owned())
}

/// `-Djavax.net.ssl.NAME=…`, where a JVM looks for options; the command line wins.
fn property(ground: &Ground<'_>, name: &str) -> Option<Value> {
    let wanted = format!("-Djavax.net.ssl.{name}=");
    let within = |text: &str, origin: &str| {
        let value = text
            .split_whitespace()
            .filter_map(|word| word.trim_matches('"').strip_prefix(wanted.as_str()))
            .next_back()?;
        Some(Value { value: value.to_owned(), origin: format!("-Djavax.net.ssl.{name} in {origin}") })
    };
    let words = ground.words.join(" ");
    within(&words, "the image's command").or_else(|| {
        ["JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS"]
            .iter()
            .find_map(|variable| ground.var(variable).and_then(|set| within(&set.value, &set.origin)))
    })
}

fn read(gather: &mut Gather<'_>, home: Option<&str>) {
    let ground = gather.ground;
    let has_password = property(ground, "trustStorePassword").is_some_and(|password| !password.value.is_empty());
    if let Some(kind) = property(ground, "trustStoreType") {
        gather.note(format!("the type of the trust store is set to {} ({})", kind.value, kind.origin));
    }
    let mut names = ["jssecacerts", "cacerts"].as_slice();
    if let Some(set) = property(ground, "trustStore") {
        if store(gather, &set.value, &set.origin, has_password) {
            return;
        }
        // Measured with 17: a store that is not there is passed over without a word, jssecacerts too.
        gather.note(format!("{} is not there ({}), and Java silently takes cacerts instead", set.value, set.origin));
        names = &["cacerts"];
    }
    let likely = home.map_or_else(
        || vec!["/etc/ssl/certs/java/cacerts".to_owned(), "/etc/pki/java/cacerts".to_owned()],
        |home| names.iter().map(|name| format!("{home}/lib/security/{name}")).collect(),
    );
    let first = likely.iter().find(|path| ground.survey.file(path).is_some());
    match first.or(likely.last()) {
        Some(path) if first.is_some() => {
            let why =
                if path.ends_with("jssecacerts") { "jssecacerts goes before cacerts" } else { "the JDK's default" };
            store(gather, path, why, has_password);
        }
        Some(path) => {
            gather.file(path, Reader::JavaKeyStore, "the JDK's default");
            gather.out.fails = Some(format!("{path} is not there: Java trusts nothing"));
        }
        None => {}
    }
    if gather.out.roots.is_empty() && gather.out.fails.is_none() {
        gather.out.fails =
            Some("the trust store gives no root: Java says \"the trustAnchors parameter must be non-empty\"".into());
    }
}

/// A key store. With its password, or where none is needed, its trusted entries count.
fn store(gather: &mut Gather<'_>, path: &str, why: &str, has_password: bool) -> bool {
    let path = gather.ground.absolute(path);
    if let Some(file) = gather.ground.survey.file(&path)
        && let Content::Store(store) = &file.content
        && has_password
        && matches!(store.format, Format::Pkcs12 | Format::Jceks | Format::Bks)
    {
        gather.entries(file, store, SourceKind::File, why);
        return true;
    }
    let is_there = gather.file(&path, Reader::JavaKeyStore, why);
    let refused = gather.out.sources.last().map(|source| &source.state);
    if let Some(SourceState::Refused(why)) = refused {
        gather.out.fails = Some(format!("Java cannot read {path}: {why}"));
    }
    is_there
}

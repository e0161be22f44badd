//! Whether a command lets a daemon talk to registries, and to which. In: the words of a command. Out: the client whose daemon talks,
//! the socket that the words name, the registries of its images. Source: the usage of docker(1) and crictl(1).
//!
//! podman, skopeo, buildah, crane, and ctr and nerdctl as far as they pull by themselves are not among them: these talk to registries
//! from their own process, where a proxy variable is enough.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::WatchClient;

/// What a command's words say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Whose daemon talks.
    pub(crate) client: WatchClient,
    /// The daemon's address, where it is named.
    pub(crate) host: Option<String>,
    /// The registries of the images that are named.
    pub(crate) registries: Vec<String>,
}

/// Bytes of a Dockerfile that are read.
const LARGEST: u64 = 1 << 20;

/// Options of docker(1) before its verb that have a value.
const DOCKER_VALUES: &[&str] =
    &["-H", "--host", "--config", "-c", "--context", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey"];

/// Options of verbs that have a value, of those that matter here.
const VERB_VALUES: &[&str] = &[
    "--platform",
    "-u",
    "--username",
    "-p",
    "--password",
    "-t",
    "--tag",
    "-f",
    "--file",
    "--build-arg",
    "--target",
    "--network",
    "--label",
    "--cache-from",
    "--creds",
    "--auth",
    "-a",
    "--annotation",
    "--pod-config",
    "--progress",
    "-o",
    "--output",
    "--secret",
];

/// Options of crictl(1) before its verb that have a value.
const CRICTL_VALUES: &[&str] =
    &["--config", "-c", "--image-endpoint", "-i", "--runtime-endpoint", "-r", "--timeout", "-t"];

/// Reads a command; `None` when no daemon talks for it, or to nobody that its words name. `read` gives the text of a file.
pub(crate) fn of_command(words: &[OsString], read: &dyn Fn(&Path) -> Option<String>) -> Option<Named> {
    let words: Vec<&str> = words.iter().map(|it| it.to_str()).collect::<Option<_>>()?;
    let (program, rest) = words.split_first()?;
    match Path::new(program).file_name()?.to_str()? {
        "docker" => docker(rest, read),
        "crictl" => {
            let (options, verb, rest) = verb_of(rest, CRICTL_VALUES)?;
            let names = ["--image-endpoint", "-i", "--runtime-endpoint", "-r"];
            let host = value_of(&options, &names).map(str::to_owned);
            let image = (verb == "pull").then(|| positional(&rest, VERB_VALUES).into_iter().next()).flatten()?;
            Some(Named { client: WatchClient::Containerd, host, registries: vec![registry_of(image)] })
        }
        _ => None,
    }
}

fn docker(words: &[&str], read: &dyn Fn(&Path) -> Option<String>) -> Option<Named> {
    let (options, verb, rest) = verb_of(words, DOCKER_VALUES)?;
    let host = value_of(&options, &["-H", "--host"]).map(str::to_owned);
    let (verb, rest): (&str, &[&str]) = match (verb, rest.split_first()) {
        ("image" | "buildx" | "builder", Some((verb, rest))) => (*verb, rest),
        (verb, _) => (verb, &rest),
    };
    // In a verb's own options `-a` and `-q` of pull have no value.
    let values: Vec<&str> = VERB_VALUES.iter().copied().filter(|it| *it != "-a" || verb != "pull").collect();
    let words = positional(rest, &values);
    let registries = match verb {
        "pull" | "push" => words.first().map(|it| vec![registry_of(it)])?,
        "login" | "logout" => vec![words.first().map_or("docker.io".to_owned(), |it| server(it))],
        "build" => {
            let folder = Path::new(words.first()?);
            let file = value_of(rest, &["-f", "--file"]).map_or_else(|| folder.join("Dockerfile"), Into::into);
            bases(&read(&file)?)
        }
        _ => return None,
    };
    (!registries.is_empty()).then_some(Named { client: WatchClient::Docker, host, registries })
}

/// The options before the verb, the verb, what follows it.
fn verb_of<'w>(words: &[&'w str], values: &[&str]) -> Option<(Vec<&'w str>, &'w str, Vec<&'w str>)> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') {
            return Some((words[..at].to_vec(), word, words[at + 1..].to_vec()));
        }
        at += if values.contains(word) { 2 } else { 1 };
    }
    None
}

/// The words that are neither options nor their values.
fn positional<'w>(words: &[&'w str], values: &[&str]) -> Vec<&'w str> {
    let (mut found, mut at, mut all) = (Vec::new(), 0, false);
    while let Some(word) = words.get(at) {
        at += 1;
        match *word {
            "--" => all = true,
            option if !all && option.len() > 1 && option.starts_with('-') => {
                at += usize::from(values.contains(&option))
            }
            word => found.push(word),
        }
    }
    found
}

fn value_of<'w>(words: &[&'w str], names: &[&str]) -> Option<&'w str> {
    words.iter().enumerate().find_map(|(n, word)| match word.split_once('=') {
        Some((name, value)) if names.contains(&name) => Some(value),
        _ if names.contains(word) => words.get(n + 1).copied(),
        _ => None,
    })
}

/// The registry of an image, as docker and containerd read it: the part before the first slash, where it looks like a host.
pub(crate) fn registry_of(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host.to_ascii_lowercase(),
        _ => "docker.io".to_owned(),
    }
}

/// The server of a login.
fn server(word: &str) -> String {
    let bare = word.trim_start_matches("https://").trim_start_matches("http://");
    bare.split('/').next().unwrap_or(bare).to_ascii_lowercase()
}

/// The registries of a Dockerfile's base images; names of its own stages and variables are none.
fn bases(text: &str) -> Vec<String> {
    let (mut stages, mut found): (Vec<&str>, Vec<String>) = (vec!["scratch"], Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(("FROM", rest)) =
            words.split_first().map(|it| (if it.0.eq_ignore_ascii_case("from") { "FROM" } else { "" }, it.1))
        else {
            continue;
        };
        let rest: Vec<&str> = rest.iter().copied().filter(|it| !it.starts_with("--")).collect();
        if let Some(image) = rest.first().filter(|it| !stages.contains(it) && !it.contains('$')) {
            let registry = registry_of(image);
            if !found.contains(&registry) {
                found.push(registry);
            }
        }
        if let [_, keyword, name, ..] = rest.as_slice()
            && keyword.eq_ignore_ascii_case("as")
        {
            stages.push(name);
        }
    }
    found
}

/// A text file of the machine.
pub(crate) fn text_of(path: &Path) -> Option<String> {
    let bytes = sidelight_host::files::read_bounded(path, LARGEST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(WatchClient, Option<String>, Vec<String>)> {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let file = |path: &Path| {
            let text =
                "FROM --platform=x r.test/base AS one\nfrom scratch\nFROM one\nFROM $BASE\nFROM q.test:5000/x\nRUN a\n";
            (path == Path::new("ctx/Dockerfile") || path == Path::new("d")).then(|| text.to_owned())
        };
        of_command(&words, &file).map(|it| (it.client, it.host, it.registries))
    }

    #[test]
    fn daemons_that_talk() {
        let docker = |host: Option<&str>, registries: &[&str]| {
            Some((WatchClient::Docker, host.map(str::to_owned), registries.iter().map(|it| (*it).to_owned()).collect()))
        };
        assert_eq!(of("docker pull r.test/team/app:1"), docker(None, &["r.test"]));
        assert_eq!(
            of("/usr/bin/docker --config d -H unix:///d.sock pull -a --platform linux/arm64 R.test:5000/x"),
            docker(Some("unix:///d.sock"), &["r.test:5000"])
        );
        assert_eq!(of("docker image push -q localhost/x"), docker(None, &["localhost"]));
        assert_eq!(of("docker pull alpine"), docker(None, &["docker.io"]));
        assert_eq!(of("docker login -u joe --password-stdin https://r.test/v1/"), docker(None, &["r.test"]));
        assert_eq!(
            of("docker --host=unix:///x build -t r.test/y ctx"),
            docker(Some("unix:///x"), &["r.test", "q.test:5000"])
        );
        assert_eq!(of("docker build -f d ."), docker(None, &["r.test", "q.test:5000"]));
        let crictl = Some((WatchClient::Containerd, Some("unix:///x".to_owned()), vec!["r.test".to_owned()]));
        assert_eq!(of("crictl -r unix:///x pull --creds a:b r.test/x"), crictl);
    }

    #[test]
    fn programs_that_talk_themselves() {
        for line in [
            "podman pull r.test/x",
            "skopeo copy docker://r.test/x dir:x",
            "docker ps",
            "docker",
            "docker build .",
            "docker pull",
            "ctr images pull r.test/x",
            "nerdctl pull r.test/x",
            "crictl ps",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}

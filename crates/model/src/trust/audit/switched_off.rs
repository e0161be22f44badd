//! T15: verification that is switched off, by variables, files of settings, scripts and build steps. In: settings. Out: issues.

mod file_rules;

use std::collections::BTreeMap;

use super::ground::Ground;
use super::issue::{Check, Issue, Place, Severity};
use super::settings::{self, Setting};
use super::words::count;
use file_rules::{in_command, in_file};

/// What a setting does to verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Off {
    severity: Severity,
    /// Who no longer verifies, as in `curl`.
    who: &'static str,
    /// What it does.
    what: &'static str,
    /// What to do instead.
    fix: &'static str,
}

impl Off {
    const fn all(who: &'static str, fix: &'static str) -> Self {
        Self { severity: Severity::Error, who, what: "verifies no certificate", fix }
    }
}

/// Matches that are told of one kind.
const MOST: usize = 20;

/// What a value must look like.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// `0`, `false`, `no`, `off`.
    False,
    /// Not empty, and not false.
    True,
    /// Not empty.
    Set,
    /// Empty.
    Empty,
    /// Holds this word.
    Holds(&'static str),
}

impl Value {
    fn fits(self, value: &str) -> bool {
        let value = value.trim();
        let is_false = ["0", "false", "no", "off", "never", "none"].iter().any(|word| value.eq_ignore_ascii_case(word));
        match self {
            Self::False => is_false,
            Self::True => !value.is_empty() && !is_false,
            Self::Set => !value.is_empty(),
            Self::Empty => value.is_empty(),
            Self::Holds(word) => value.contains(word),
        }
    }
}

const TRUST_IT: &str = "sidelight trust add ROOT.pem --into IMAGE -o oci-archive:with-root.tar";

const VARIABLES: &[(&str, Value, Off)] = &[
    ("NODE_TLS_REJECT_UNAUTHORIZED", Value::False, Off::all("Node", "ENV NODE_EXTRA_CA_CERTS=/path/root.pem")),
    (
        "PYTHONHTTPSVERIFY",
        Value::False,
        Off::all("Python's http.client and urllib", "ENV SSL_CERT_FILE=/path/bundle.pem"),
    ),
    ("GIT_SSL_NO_VERIFY", Value::True, Off::all("git", "ENV GIT_SSL_CAINFO=/path/bundle.pem")),
    ("NPM_CONFIG_STRICT_SSL", Value::False, Off::all("npm", "npm config set cafile /path/root.pem")),
    ("npm_config_strict_ssl", Value::False, Off::all("npm", "npm config set cafile /path/root.pem")),
    ("YARN_STRICT_SSL", Value::False, Off::all("yarn", "yarn config set cafile /path/root.pem")),
    ("YARN_ENABLE_STRICT_SSL", Value::False, Off::all("yarn", "yarn config set httpsCaFilePath /path/root.pem")),
    (
        "PIP_TRUSTED_HOST",
        Value::Set,
        Off { what: "does not verify these hosts", ..Off::all("pip", "ENV PIP_CERT=/path/bundle.pem") },
    ),
    (
        "UV_INSECURE_HOST",
        Value::Set,
        Off { what: "does not verify these hosts", ..Off::all("uv", "ENV SSL_CERT_FILE=/path/bundle.pem") },
    ),
    ("CONDA_SSL_VERIFY", Value::False, Off::all("conda", "conda config --set ssl_verify /path/bundle.pem")),
    ("BUNDLE_SSL_VERIFY_MODE", Value::False, Off::all("Ruby's bundler", "ENV BUNDLE_SSL_CA_CERT=/path/bundle.pem")),
    (
        "PERL_LWP_SSL_VERIFY_HOSTNAME",
        Value::False,
        Off { what: "does not check names", ..Off::all("Perl's LWP", "ENV PERL_LWP_SSL_CA_FILE=/path/bundle.pem") },
    ),
    (
        "COMPOSER_DISABLE_TLS",
        Value::True,
        Off { what: "does without TLS", ..Off::all("composer", "ENV COMPOSER_CAFILE=/path/bundle.pem") },
    ),
    ("VAULT_SKIP_VERIFY", Value::True, Off::all("vault", "ENV VAULT_CACERT=/path/root.pem")),
    ("CONSUL_HTTP_SSL_VERIFY", Value::False, Off::all("consul", "ENV CONSUL_CACERT=/path/root.pem")),
    ("NOMAD_SKIP_VERIFY", Value::True, Off::all("nomad", "ENV NOMAD_CACERT=/path/root.pem")),
    ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", Value::True, Off::all("etcdctl", "ENV ETCDCTL_CACERT=/path/root.pem")),
    ("ARGOCD_OPTS", Value::Holds("--insecure"), Off::all("argocd", "argocd cert add-tls HOST --from root.pem")),
    ("LDAPTLS_REQCERT", Value::False, Off::all("OpenLDAP's clients", "ENV LDAPTLS_CACERT=/path/bundle.pem")),
    (
        "GOINSECURE",
        Value::Set,
        Off {
            what: "fetches these modules without verification",
            severity: Severity::Warn,
            ..Off::all("go", "ENV SSL_CERT_FILE=/path/bundle.pem")
        },
    ),
    ("ANSIBLE_GALAXY_IGNORE", Value::True, Off::all("ansible-galaxy", TRUST_IT)),
    ("DENO_TLS_CA_STORE", Value::Holds("unsafely"), Off::all("Deno", "ENV DENO_CERT=/path/root.pem")),
    (
        "CURL_CA_BUNDLE",
        Value::Empty,
        Off {
            what: "verifies nothing in versions before 2.28",
            ..Off::all("Python's requests", "ENV REQUESTS_CA_BUNDLE=/path/bundle.pem")
        },
    ),
    (
        "REQUESTS_CA_BUNDLE",
        Value::Empty,
        Off {
            what: "falls back to its own roots",
            severity: Severity::Info,
            ..Off::all("Python's requests", "ENV REQUESTS_CA_BUNDLE=/path/bundle.pem")
        },
    ),
];

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let survey = ground.question.survey;
    let mut found: Vec<(Off, Place, String, String)> = Vec::new();
    for setting in settings::all(survey) {
        found.extend(
            by_variable(&setting).map(|off| (off, setting.place.clone(), setting.name.clone(), setting.text.clone())),
        );
    }
    for (file, text) in settings::texts(survey) {
        found.extend(by_file(&file.path, file.layer, text));
    }
    let config = &survey.config;
    let start: Vec<&str> = config.entrypoint.iter().chain(&config.cmd).map(String::as_str).collect();
    let start = start.join(" ");
    found.extend(in_command(&start).map(|off| (off, Place::config(), "the entrypoint".to_owned(), start.clone())));
    let mut issues = told(found);
    issues.extend(steps(ground));
    issues
}

fn by_variable(setting: &Setting) -> Option<Off> {
    known_variable(&setting.name, &setting.value).or_else(|| {
        // Options that a variable hands to a program: NODE_OPTIONS, JAVA_TOOL_OPTIONS, MAVEN_OPTS, GIT_…
        let ends = ["_OPTIONS", "_OPTS", "_FLAGS", "_ARGS"];
        let options = ends.iter().any(|end| setting.name.ends_with(end)) || setting.name == "GOFLAGS";
        if options { in_command(&setting.value) } else { None }
    })
}

fn known_variable(name: &str, value: &str) -> Option<Off> {
    VARIABLES.iter().find(|(known, wanted, _)| *known == name && wanted.fits(value)).map(|(_, _, off)| *off)
}

fn by_file<'a>(path: &'a str, layer: Option<usize>, text: &'a str) -> Vec<(Off, Place, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in settings::lines(path, layer, text) {
        let shown = line.text.trim();
        if shown.starts_with('[') && shown.ends_with(']') {
            section = shown.to_ascii_lowercase();
        }
        // Variables are told by their names.
        let variable = settings::exported(shown).is_some_and(|(name, value)| known_variable(&name, &value).is_some());
        let command = || if settings::is_script(path) && !variable { in_command(shown) } else { None };
        let off = in_file(path, &section, shown).or_else(command);
        found.extend(off.map(|off| (off, line.place, path.to_owned(), shown.to_owned())));
    }
    found
}

/// What is switched off, and the lines that do it.
type Lines = (Off, Vec<(Place, String)>);

/// One issue for each setting or file and what it does.
fn told(found: Vec<(Off, Place, String, String)>) -> Vec<Issue> {
    let mut groups: BTreeMap<(String, &'static str), Lines> = BTreeMap::new();
    for (off, place, about, text) in found {
        groups.entry((about, off.who)).or_insert_with(|| (off, Vec::new())).1.push((place, text));
    }
    groups
        .into_iter()
        .map(|((about, who), (off, at))| {
            let first = settings::at(&at[0].0);
            let summary = match at[0].0.path.as_str() {
                super::issue::CONFIG if about == "the entrypoint" => {
                    format!("{who} {}: the image is started so", off.what)
                }
                super::issue::CONFIG => format!("{who} {}: {about} is set in the image's configuration", off.what),
                _ => format!("{who} {}: so says {first}", off.what),
            };
            let mut issue = Issue::new(Check::T15, off.severity, about, summary);
            for (place, text) in at.iter().take(MOST) {
                issue = issue.with_places([place.clone()]).with_evidence("setting", settings::at(place), text);
            }
            issue.with_fix("Remove it, and trust the root that it was set for", off.fix)
        })
        .collect()
}

/// Build steps that fetched without verification: what they fetched may be anybody's.
fn steps(ground: &Ground<'_>) -> Option<Issue> {
    let survey = ground.question.survey;
    let steps =
        survey.layers.iter().enumerate().filter_map(|(index, layer)| Some((index, layer.created_by.as_deref()?)));
    let found: Vec<(usize, &str, Off)> =
        steps.filter_map(|(index, step)| Some((index, step, in_command(step)?))).collect();
    if found.is_empty() {
        return None;
    }
    let who: Vec<String> = found.iter().map(|(_, _, off)| off.who.to_owned()).collect();
    let summary = format!(
        "{} fetched without verification ({}): anyone on the way could have put something else in",
        count(found.len(), "build step"),
        super::words::listed(&who)
    );
    let mut issue = Issue::new(Check::T15, Severity::Warn, "build", summary);
    for (index, step, off) in found.iter().take(MOST) {
        issue = issue
            .with_places([Place { layer: Some(*index), ..Place::config() }])
            .with_evidence("step", format!("layer {}", index + 1), *step)
            .with_evidence("means", off.who, off.what);
    }
    Some(issue.with_fix(
        "Give the step the root as a file, and verify",
        "RUN --mount=type=secret,id=root curl --cacert /run/secrets/root …",
    ))
}

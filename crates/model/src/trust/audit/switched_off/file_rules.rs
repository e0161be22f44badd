//! Lines and commands that switch verification off. In: a file's name with one line of it, or a command. Out: what it does.

use super::super::issue::Severity;
use super::{Off, TRUST_IT, Value};

/// `name = value`, `name value` or `name: value`: the name in lower case, the value without quotes.
fn pair(line: &str) -> Option<(String, &str)> {
    let at = line.find(['=', ':']).or_else(|| line.find(char::is_whitespace))?;
    let (name, value) = (line[..at].trim(), line[at + 1..].trim());
    let value = value.trim_start_matches(['=', ':']).trim().trim_end_matches([',', ';']);
    Some((name.trim_matches(['"', '\'']).to_ascii_lowercase(), value.trim_matches(['"', '\''])))
}

/// Settings by the end of the file's path (or a folder in it), the name of the setting, and its value.
const PAIRS: &[(&str, &str, Value, Off)] = &[
    ("wgetrc", "check_certificate", Value::False, Off::all("wget", "ca_certificate = /path/bundle.pem")),
    ("wgetrc", "check-certificate", Value::False, Off::all("wget", "ca_certificate = /path/bundle.pem")),
    ("npmrc", "strict-ssl", Value::False, Off::all("npm", "npm config set cafile /path/root.pem")),
    (".yarnrc", "strict-ssl", Value::False, Off::all("yarn", "yarn config set cafile /path/root.pem")),
    (
        ".yarnrc.yml",
        "enablestrictssl",
        Value::False,
        Off::all("yarn", "yarn config set httpsCaFilePath /path/root.pem"),
    ),
    ("condarc", "ssl_verify", Value::False, Off::all("conda", "conda config --set ssl_verify /path/bundle.pem")),
    (
        "pip.conf",
        "trusted-host",
        Value::Set,
        Off { what: "does not verify these hosts", ..Off::all("pip", "pip config set global.cert /path/bundle.pem") },
    ),
    (
        "pip.ini",
        "trusted-host",
        Value::Set,
        Off { what: "does not verify these hosts", ..Off::all("pip", "pip config set global.cert /path/bundle.pem") },
    ),
    (
        "uv.toml",
        "allow-insecure-host",
        Value::Holds("["),
        Off { what: "does not verify these hosts", ..Off::all("uv", "system-certs = true") },
    ),
    (".gemrc", ":ssl_verify_mode", Value::False, Off::all("Ruby's gem", ":ssl_ca_cert: /path/bundle.pem")),
    (
        ".bundle/config",
        "bundle_ssl_verify_mode",
        Value::False,
        Off::all("Ruby's bundler", "bundle config set ssl_ca_cert /path/bundle.pem"),
    ),
    ("/hosts.toml", "skip_verify", Value::True, Off::all("containerd", "ca = \"/path/root.pem\"")),
    (
        "registries.conf",
        "insecure",
        Value::True,
        Off::all("podman, skopeo and buildah", "cp root.pem /etc/containers/certs.d/HOST/ca.crt"),
    ),
    (
        "/registries.conf.d/",
        "insecure",
        Value::True,
        Off::all("podman, skopeo and buildah", "cp root.pem /etc/containers/certs.d/HOST/ca.crt"),
    ),
    ("buildkitd.toml", "insecure", Value::True, Off::all("BuildKit", "ca = [\"/path/root.pem\"]")),
    (
        "/containerd/config.toml",
        "insecure_skip_verify",
        Value::True,
        Off::all("containerd", "ca_file = \"/path/root.pem\""),
    ),
    ("/yum.conf", "sslverify", Value::False, Off::all("yum", "sslcacert=/path/bundle.pem")),
    ("/dnf.conf", "sslverify", Value::False, Off::all("dnf", "sslcacert=/path/bundle.pem")),
    ("/yum.repos.d/", "sslverify", Value::False, Off::all("dnf and yum", "sslcacert=/path/bundle.pem")),
    ("/ldap.conf", "tls_reqcert", Value::False, Off::all("OpenLDAP's clients", "TLS_CACERT /path/bundle.pem")),
    ("ansible.cfg", "validate_certs", Value::False, Off::all("Ansible", TRUST_IT)),
    ("php.ini", "openssl.verify_peer", Value::False, Off::all("PHP", "openssl.cafile = /path/bundle.pem")),
    (
        "/composer/config.json",
        "disable-tls",
        Value::True,
        Off { what: "does without TLS", ..Off::all("composer", "composer config -g cafile /path/bundle.pem") },
    ),
    (
        "kubeconfig",
        "insecure-skip-tls-verify",
        Value::True,
        Off::all("kubectl", "certificate-authority: /path/root.pem"),
    ),
    (
        ".kube/config",
        "insecure-skip-tls-verify",
        Value::True,
        Off::all("kubectl", "certificate-authority: /path/root.pem"),
    ),
    (
        "gradle.properties",
        "systemprop.maven.wagon.http.ssl.insecure",
        Value::True,
        Off::all("Maven's transport", "systemProp.javax.net.ssl.trustStore=/path/trust.jks"),
    ),
    (".aws/config", "verify_ssl", Value::False, Off::all("the AWS command line", "ca_bundle = /path/bundle.pem")),
];

/// What a line of a file of settings switches off. `section`: the last `[section]` before it, in lower case.
pub(super) fn in_file(path: &str, section: &str, line: &str) -> Option<Off> {
    let name_of_file = path.rsplit('/').next().unwrap_or_default();
    let fits = |end: &str| path.ends_with(end) || end.ends_with('/') && path.contains(end);
    if name_of_file.ends_with("curlrc") {
        return curl(line);
    }
    if name_of_file.contains("gitconfig") || path.ends_with("git/config") {
        let (name, value) = pair(line)?;
        let off = section.starts_with("[http") && name == "sslverify" && Value::False.fits(value);
        return off.then_some(Off::all("git", "git config --global http.sslCAInfo /path/bundle.pem"));
    }
    if path.contains("/apt.conf") {
        let quiet = line.to_ascii_lowercase();
        let peer = ["verify-peer", "verify-host"].iter().any(|word| quiet.contains(word));
        let off = peer && ["\"false\"", "\"0\"", "\"no\"", " false"].iter().any(|word| quiet.contains(word));
        return off.then_some(Off::all("apt", "Acquire::https::CAInfo \"/path/bundle.pem\";"));
    }
    if name_of_file == "daemon.json" {
        let off = line.contains("insecure-registries") && !line.replace(' ', "").contains(":[]");
        let what = "does not verify these registries";
        return off.then_some(Off { what, ..Off::all("dockerd", "cp root.pem /etc/docker/certs.d/HOST/ca.crt") });
    }
    if name_of_file.ends_with("openssl.cnf") {
        return weak_level(line);
    }
    if name_of_file == "settings.xml" && line.contains("wagon.http.ssl.insecure") && line.contains("true") {
        return Some(Off::all("Maven", "MAVEN_OPTS=-Djavax.net.ssl.trustStore=/path/trust.jks"));
    }
    let (name, value) = pair(line)?;
    PAIRS.iter().find(|(end, known, wanted, _)| fits(end) && name == *known && wanted.fits(value)).map(|(.., off)| *off)
}

/// A line of `.curlrc`.
fn curl(line: &str) -> Option<Off> {
    let word = line.split([' ', '=', ':', '\t']).next().unwrap_or_default();
    let off = matches!(word, "insecure" | "-k" | "--insecure" | "proxy-insecure" | "--proxy-insecure");
    off.then_some(Off::all("curl", "cacert = /path/bundle.pem"))
}

/// OpenSSL's level of security, lowered for all programs.
fn weak_level(line: &str) -> Option<Off> {
    let quiet: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    let weak = quiet.contains("@SECLEVEL=0") || quiet.contains("SECLEVEL=0");
    let what = "accept weak keys and signatures (security level 0)";
    weak.then_some(Off {
        severity: Severity::Warn,
        what,
        who: "programs on OpenSSL",
        fix: "CipherString = DEFAULT:@SECLEVEL=2",
    })
}

/// What a word of code switches off wherever it stands.
const WORDS: &[(&str, Off)] = &[
    ("NODE_TLS_REJECT_UNAUTHORIZED=0", Off::all("Node", "ENV NODE_EXTRA_CA_CERTS=/path/root.pem")),
    ("NODE_TLS_REJECT_UNAUTHORIZED='0'", Off::all("Node", "ENV NODE_EXTRA_CA_CERTS=/path/root.pem")),
    ("NODE_TLS_REJECT_UNAUTHORIZED=\"0\"", Off::all("Node", "ENV NODE_EXTRA_CA_CERTS=/path/root.pem")),
    ("GIT_SSL_NO_VERIFY=1", Off::all("git", "ENV GIT_SSL_CAINFO=/path/bundle.pem")),
    ("GIT_SSL_NO_VERIFY=true", Off::all("git", "ENV GIT_SSL_CAINFO=/path/bundle.pem")),
    ("http.sslVerify=false", Off::all("git", "ENV GIT_SSL_CAINFO=/path/bundle.pem")),
    ("http.sslVerify false", Off::all("git", "ENV GIT_SSL_CAINFO=/path/bundle.pem")),
    ("PYTHONHTTPSVERIFY=0", Off::all("Python's http.client and urllib", "ENV SSL_CERT_FILE=/path/bundle.pem")),
    ("--no-check-certificate", Off::all("wget", "wget --ca-certificate=/path/bundle.pem …")),
    (
        "--trusted-host",
        Off { what: "does not verify these hosts", ..Off::all("pip", "pip install --cert /path/bundle.pem …") },
    ),
    ("strict-ssl false", Off::all("npm", "npm config set cafile /path/root.pem")),
    ("strict-ssl=false", Off::all("npm", "npm config set cafile /path/root.pem")),
    ("maven.wagon.http.ssl.insecure=true", Off::all("Maven", "-Djavax.net.ssl.trustStore=/path/trust.jks")),
    (
        "-Dcom.sun.net.ssl.checkRevocation=false",
        Off {
            severity: Severity::Info,
            what: "does not ask whether certificates are revoked",
            who: "Java",
            fix: "-Dcom.sun.net.ssl.checkRevocation=true",
        },
    ),
    (
        "jdk.internal.httpclient.disableHostnameVerification",
        Off { what: "does not check names", ..Off::all("Java's HttpClient", TRUST_IT) },
    ),
    ("-Dtrust_all_cert=true", Off::all("Java (IKVM, IBM)", TRUST_IT)),
    ("unsafely-ignore-certificate-errors", Off::all("Deno", "ENV DENO_CERT=/path/root.pem")),
    ("--insecure-skip-tls-verify", Off::all("kubectl or helm", "--certificate-authority=/path/root.pem")),
    ("ssl_verify false", Off::all("conda", "conda config --set ssl_verify /path/bundle.pem")),
    ("verify=False", Off::all("Python's requests", "requests.get(url, verify=\"/path/bundle.pem\")")),
    ("rejectUnauthorized: false", Off::all("Node", "ENV NODE_EXTRA_CA_CERTS=/path/root.pem")),
    ("InsecureSkipVerify: true", Off::all("Go", "ENV SSL_CERT_FILE=/path/bundle.pem")),
    ("--tls-verify=false", Off::all("podman, skopeo and buildah", "--cert-dir /path")),
    ("--src-tls-verify=false", Off::all("skopeo", "--src-cert-dir /path")),
    ("--no-verify-ssl", Off::all("the AWS command line", "ENV AWS_CA_BUNDLE=/path/bundle.pem")),
    ("Acquire::https::Verify-Peer=false", Off::all("apt", "-o Acquire::https::CAInfo=/path/bundle.pem")),
    (
        "SECLEVEL=0",
        Off {
            severity: Severity::Warn,
            what: "accept weak keys and signatures (security level 0)",
            who: "programs on OpenSSL",
            fix: "CipherString = DEFAULT:@SECLEVEL=2",
        },
    ),
];

/// What a command switches off.
pub(super) fn in_command(command: &str) -> Option<Off> {
    curl_of(command).or_else(|| WORDS.iter().find(|(word, _)| command.contains(word)).map(|(_, off)| *off))
}

/// `curl -k`, `curl -fsSLk`, `curl --insecure`, up to the end of that command.
fn curl_of(command: &str) -> Option<Off> {
    let mut in_curl = false;
    for word in command.split_whitespace() {
        let name = word.trim_start_matches(['(', '`', '$', '"', '\'']).rsplit('/').next().unwrap_or_default();
        if name == "curl" {
            in_curl = true;
        } else if matches!(word, "|" | "&&" | "||" | ";" | "&") || word.ends_with(';') {
            in_curl = false;
        }
        let short = word.starts_with('-') && !word.starts_with("--") && short_options(word).any(|option| option == 'k');
        if in_curl && (short || word == "--insecure" || word == "--proxy-insecure") {
            return Some(Off::all("curl", "curl --cacert /path/bundle.pem …"));
        }
    }
    None
}

/// The single-letter options of a word; one that takes a value ends them.
fn short_options(word: &str) -> impl Iterator<Item = char> {
    const WITH_VALUE: &str = "oHXdFuAbcCeEmMPQrTtUwxyYzKDh";
    let mut over = false;
    word.chars().skip(1).take_while(move |option| {
        let goes_on = !over;
        over = over || WITH_VALUE.contains(*option);
        goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_do_not_verify() {
        for (command, who) in [
            ("RUN /bin/sh -c curl -fsSLk https://x | sh", "curl"),
            ("apk add curl && curl --insecure https://x", "curl"),
            ("/usr/bin/curl -k -o x https://x", "curl"),
            ("wget --no-check-certificate https://x", "wget"),
            ("pip install --trusted-host pypi.example x", "pip"),
            ("git -c http.sslVerify=false clone https://x", "git"),
            ("export NODE_TLS_REJECT_UNAUTHORIZED=0", "Node"),
        ] {
            assert_eq!(in_command(command).map(|off| off.who), Some(who), "{command}");
        }
        for command in [
            "curl -fsSL https://x -o k",
            "curl -okay https://x",
            "curl https://x | grep -k x",
            "curl -H k:v https://x",
            "tar -k x; curl https://x",
            "wget --check-certificate https://x",
        ] {
            assert_eq!(in_command(command), None, "{command}");
        }
    }

    #[test]
    fn lines_of_files() {
        for (path, section, line, who) in [
            ("/home/app/.curlrc", "", "insecure", "curl"),
            ("/etc/wgetrc", "", "check_certificate = off", "wget"),
            ("/etc/gitconfig", "[http]", "sslVerify = false", "git"),
            ("/etc/gitconfig", "[http \"https://x\"]", "\tsslverify=0", "git"),
            ("/etc/pip.conf", "[global]", "trusted-host = pypi.example", "pip"),
            ("/app/.npmrc", "", "strict-ssl=false", "npm"),
            ("/app/.yarnrc", "", "strict-ssl false", "yarn"),
            ("/app/.yarnrc.yml", "", "enableStrictSsl: false", "yarn"),
            ("/etc/docker/daemon.json", "", "\"insecure-registries\": [\"r:5000\"]", "dockerd"),
            (
                "/etc/containers/registries.conf.d/x.conf",
                "[[registry]]",
                "insecure = true",
                "podman, skopeo and buildah",
            ),
            ("/etc/containerd/certs.d/r/hosts.toml", "", "skip_verify = true", "containerd"),
            ("/etc/apt/apt.conf.d/99x", "", "Acquire::https::Verify-Peer \"false\";", "apt"),
            ("/etc/ssl/openssl.cnf", "[x]", "CipherString = DEFAULT@SECLEVEL=0", "programs on OpenSSL"),
            ("/home/app/.condarc", "", "ssl_verify: false", "conda"),
            ("/home/app/.kube/config", "", "insecure-skip-tls-verify: true", "kubectl"),
            ("/etc/yum.repos.d/x.repo", "[x]", "sslverify=0", "dnf and yum"),
        ] {
            assert_eq!(in_file(path, section, line).map(|off| off.who), Some(who), "{path} {line}");
        }
        for (path, section, line) in [
            ("/home/app/.curlrc", "", "silent"),
            ("/etc/gitconfig", "[user]", "sslVerify = false"),
            ("/etc/gitconfig", "[http]", "sslVerify = true"),
            ("/app/.npmrc", "", "strict-ssl=true"),
            ("/etc/docker/daemon.json", "", "\"insecure-registries\": [],"),
            ("/etc/ssl/openssl.cnf", "[x]", "CipherString = DEFAULT@SECLEVEL=2"),
            ("/etc/other.conf", "", "insecure = true"),
            ("/etc/nsswitch.conf", "", "hosts: files dns"),
        ] {
            assert_eq!(in_file(path, section, line), None, "{path} {line}");
        }
    }
}

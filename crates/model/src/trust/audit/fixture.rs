//! Files that are no part of what runs: tests, source code, caches of packages, documentation. In: a path. Out: whether it is one, and
//! the folder that makes it one. Keys and odd certificates belong there and are nobody's secret.

/// Folders of whole trees: sources and packages as they were fetched, and documentation.
const TREES: &[&str] = &[
    "/.cargo/registry/",
    "/.cargo/git/",
    "/go/pkg/mod/",
    "/usr/local/go/src/",
    "/usr/share/doc/",
    "/usr/share/gocode/",
    "/usr/share/cargo/registry/",
    "/usr/src/",
    "/.m2/repository/",
    "/.gradle/caches/",
    "/.npm/_cacache/",
    "/.cache/",
    "/var/cache/",
    "/ensurepip/_bundled/",
];

/// Names of folders of tests and examples.
const NAMES: &[&str] = &[
    "test",
    "tests",
    "testing",
    "testdata",
    "test-data",
    "test_data",
    "testcases",
    "certdata",
    "fixtures",
    "__tests__",
    "examples",
    "example",
    "benches",
    "dummyserver",
];

/// Languages that are compiled: their sources are not read by what runs.
const SOURCES: &[&str] = &["c", "cc", "cpp", "cxx", "h", "hh", "hpp", "rs", "go"];

/// Programs that carry the keys of their own self-test.
const SELF_TESTS: &[&str] = &["gnutls-cli", "gnutls-serv", "gnutls-cli-debug", "certtool"];

/// Where installed packages lie, as whoever published them made them.
const PACKAGES: &[&str] = &[
    "/site-packages/",
    "/dist-packages/",
    "/node_modules/",
    "/third_party/",
    "/_vendor/",
    "/gems/",
    "/google-cloud-sdk/",
];

/// The folder (or the file) that makes this file one of tests, sources, caches or documentation.
pub(super) fn folder(path: &str) -> Option<&str> {
    if let Some(end) = TREES.iter().find_map(|tree| Some(path.find(tree)? + tree.len() - 1)) {
        return path.get(..end);
    }
    let (parent, file) = path.rsplit_once('/')?;
    let mut end = 0;
    for part in parent.split('/') {
        end += part.len();
        if NAMES.contains(&part) || part.starts_with("test_") || part.ends_with("_test") {
            return path.get(..end);
        }
        end += 1;
    }
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let is_source = SOURCES.contains(&extension)
        || extension == "py" && (is_packaged(path) || stem.starts_with("test_") || stem.ends_with("_test"));
    if is_source {
        return Some(parent);
    }
    (SELF_TESTS.contains(&file) || file.contains("snakeoil")).then_some(path)
}

/// Whether it is one of them.
pub(super) fn is(path: &str) -> bool {
    folder(path).is_some()
}

/// Whether it lies in an installed package: everybody who has the package has it.
pub(super) fn is_packaged(path: &str) -> bool {
    PACKAGES.iter().any(|part| path.contains(part))
}

/// Whether it lies in a package that is not installed: no program reads it before it is.
pub fn is_packed(path: &str) -> bool {
    path.contains(".whl!/") || path.contains("/ensurepip/_bundled/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_of_what_runs() {
        let cases = [
            ("/home/ann/.cargo/registry/src/x/ring-0.17/key.der", Some("/home/ann/.cargo/registry")),
            ("/usr/lib/python3.11/test/keycert.pem", Some("/usr/lib/python3.11/test")),
            ("/srv/app/pkg/tls_test/key.pem", Some("/srv/app/pkg/tls_test")),
            ("/srv/app/src/key.rs", Some("/srv/app/src")),
            ("/opt/site-packages/moto/models.py", Some("/opt/site-packages/moto")),
            ("/etc/ssl/private/ssl-cert-snakeoil.key", Some("/etc/ssl/private/ssl-cert-snakeoil.key")),
            ("/usr/bin/gnutls-cli", Some("/usr/bin/gnutls-cli")),
            // What runs: an application's own settings, and names that only resemble.
            ("/app/settings.py", None),
            ("/app/latest/tls.key", None),
            ("/app/test", None),
            ("/etc/ssl/private/server.key", None),
        ];
        for (path, expected) in cases {
            assert_eq!(folder(path), expected, "{path}");
        }
        assert!(is_packed("/usr/lib/python3/ensurepip/_bundled/pip.whl!/pip/_vendor/certifi/cacert.pem"));
        assert!(!is_packed("/usr/lib/python3/dist-packages/certifi/cacert.pem"));
    }
}

//! What the name of a program tells, and strings of libraries that hold the paths compiled into them. In: paths, bytes. Out: values.

/// Programs and libraries that are kept whatever stands in them: they are the runtimes.
const PROGRAMS: &[&str] = &[
    "curl",
    "wget",
    "git",
    "git-remote-https",
    "git-remote-http",
    "openssl",
    "node",
    "nodejs",
    "java",
    "dotnet",
    "php",
    "ruby",
    "perl",
    "busybox",
    "deno",
    "bun",
    "uv",
    "skopeo",
    "podman",
    "dockerd",
    "containerd",
    "buildkitd",
    "apk",
    "rpm",
    "update-ca-certificates",
    "trust",
    "p11-kit",
];

/// Starts of names.
const PREFIXES: &[&str] = &[
    "python2",
    "python3",
    "libssl.so",
    "libssl-",
    "libcrypto.so",
    "libcrypto-",
    "libgnutls.so",
    "libcurl.so",
    "libcurl-gnutls.so",
    "libnss3.so",
    "libnssckbi",
    "libp11-kit",
    "p11-kit-trust",
    "libjvm.so",
    "libnode.so",
    "libSystem.Security.Cryptography.Native",
    "libruby",
    "php-fpm",
    "ruby",
    "libtls.so",
    "kamikaze",
];

/// Most strings that are taken of one file.
const MAX_STRINGS: usize = 8;

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether private keys in it are those of its self-test, which everybody has.
pub(super) fn has_test_keys(path: &str) -> bool {
    name(path).starts_with("libgnutls")
}

pub(super) fn is_library(path: &str) -> bool {
    let name = name(path);
    name.ends_with(".so") || name.contains(".so.")
}

/// Whether it is kept whatever stands in it: a runtime, or a program that runs with the rights of its owner.
pub(super) fn is_of_interest(path: &str, mode: u32) -> bool {
    let name = name(path);
    mode & 0o6000 != 0 || PROGRAMS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the paths of roots that are compiled into it are to be read.
pub(super) fn has_telling_strings(path: &str) -> bool {
    value_names(path).is_some()
}

/// What a path to a file, and one to a folder, means in this program.
fn value_names(path: &str) -> Option<(&'static str, &'static str)> {
    let name = name(path);
    if name.starts_with("libgnutls.so") {
        Some(("gnutls-file", "gnutls-folder"))
    } else if name.starts_with("libcurl") || name == "curl" {
        Some(("curl-ca-bundle", "curl-ca-path"))
    } else if name == "wget" || name.starts_with("git-remote-http") {
        Some(("ca-bundle", "ca-path"))
    } else {
        None
    }
}

/// Strings that end with NUL and are paths to roots.
pub(super) fn telling_strings(path: &str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let Some((file, folder)) = value_names(path) else { return Vec::new() };
    let mut found = Vec::new();
    for start in memchr::memmem::find_iter(bytes, b"\0/").chain(memchr::memmem::find_iter(bytes, b"\0pkcs11:")) {
        let text = bytes.get(start + 1..).unwrap_or_default();
        let Some(length) = memchr::memchr(0, text.get(..256).unwrap_or(text)) else { continue };
        let Ok(text) = std::str::from_utf8(text.get(..length).unwrap_or_default()) else { continue };
        let kind = match text {
            _ if text.ends_with(".crt") || text.ends_with(".pem") || text.starts_with("pkcs11:") => file,
            _ if text.ends_with("/certs") || text.ends_with("/certs/") => folder,
            _ => continue,
        };
        if found.len() < MAX_STRINGS {
            found.push((kind, text.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_roots_are_read_from_libraries_that_have_them() {
        let bytes = b"x\0/etc/ssl/certs/ca-certificates.crt\0/etc/ssl/certs\0/usr/bin\0/notended.pem";
        let expected = [
            ("curl-ca-bundle", "/etc/ssl/certs/ca-certificates.crt".to_owned()),
            ("curl-ca-path", "/etc/ssl/certs".to_owned()),
        ];
        assert_eq!(telling_strings("/usr/lib/libcurl.so.4", bytes), expected);
        assert_eq!(telling_strings("/usr/lib/libz.so", bytes), []);
        assert!(is_library("/lib/libssl.so.3") && !is_library("/usr/bin/curl"));
        assert!(is_of_interest("/opt/x", 0o4755) && !is_of_interest("/opt/x", 0o755));
    }
}

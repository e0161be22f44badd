//! The commands that change what an image trusts, as fixes print them. In: a certificate and a source as the user wrote it. Out: a
//! line that runs as it stands: folders, containers and hosts are changed where they are, an image is written anew in its own form.

/// The command that makes a source trust a certificate.
pub fn add_command(certificate: &str, source: &str) -> String {
    format!("sidelight trust add {} --into {}{}", quoted(certificate), quoted(source), output(source, "with-root"))
}

/// The command that makes a source trust a certificate no longer.
pub fn remove_command(certificate: &str, source: &str) -> String {
    let out = output(source, "without-root");
    format!("sidelight trust remove {} --from {}{out}", quoted(certificate), quoted(source))
}

/// Where the result goes: nothing for what is changed where it is.
fn output(source: &str, stem: &str) -> String {
    let starts = |schemes: &[&str]| schemes.iter().any(|scheme| source.starts_with(scheme));
    let is_tar = source.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "tar" | "tgz" | "gz" | "zst"));
    if starts(&["rootfs:"]) && is_tar {
        format!(" -o {stem}.tar")
    } else if source == "host" || starts(&["rootfs:", "container:", "pid:"]) {
        String::new()
    } else if starts(&["docker-archive:", "docker-daemon:"]) {
        format!(" -o docker-archive:{stem}.tar")
    } else {
        format!(" -o oci-archive:{stem}.tar")
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_gets_a_line_that_runs() {
        let out = |source: &str| {
            let line = add_command("root.pem", source);
            line.split_once(" -o ").map(|(_, out)| out.to_owned()).unwrap_or_default()
        };
        assert_eq!(out("rootfs:/srv/root") + &out("container:web") + &out("pid:1") + &out("host"), "");
        assert_eq!(out("rootfs:root.tar.gz"), "with-root.tar");
        assert_eq!(out("docker-archive:app.tar"), "docker-archive:with-root.tar");
        assert_eq!(out("oci:dir:tag"), "oci-archive:with-root.tar");
        assert_eq!(
            remove_command("ab", "docker-archive:my app.tar"),
            "sidelight trust remove ab --from 'docker-archive:my app.tar' -o docker-archive:without-root.tar"
        );
    }
}

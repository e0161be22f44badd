//! The commands that change what an image trusts, as fixes print them. In: a certificate and a source as the user wrote it. Out: a
//! line that runs as it stands: folders, containers and hosts are changed where they are, an image is written anew in its own form.

/// The command that makes a source trust a certificate.
pub fn add_command(certificate: &str, source: &str) -> String {
    format!("sidelight trust add {} --into {}{}", quoted_file(certificate), quoted(source), output(source, "with-root"))
}

/// The command that makes a source trust a certificate no longer.
pub fn remove_command(certificate: &str, source: &str) -> String {
    let out = output(source, "without-root");
    format!("sidelight trust remove {} --from {}{out}", quoted_file(certificate), quoted(source))
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

/// A word as a shell takes it. Control characters and such as cannot be seen are written by their numbers (`$'…'`), so that the line still
/// holds when it was shown on a terminal, and copied from there.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    let hidden = |c: char| c.is_control() || (!c.is_ascii() && !c.is_alphanumeric());
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains(hidden) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            // Three octal digits: a hexadecimal number would take in the letters that follow it.
            c if hidden(c) => {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}")))
            }
            c => text.push(c),
        }
    }
    text + "'"
}

/// A file's name as a shell takes it, which no program takes for an option.
pub fn quoted_file(name: &str) -> String {
    if name.starts_with('-') { quoted(&format!("./{name}")) } else { quoted(name) }
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

    #[test]
    fn words_are_quoted_for_shells_and_terminals() {
        let table = [
            ("plain.pem", "plain.pem"),
            ("", "''"),
            ("it's $HOME `id`", r"'it'\''s $HOME `id`'"),
            ("ümlaut", "'ümlaut'"),
            ("a\n'b\\", r"$'a\012\'b\\'"),
            ("\u{1b}[2J\u{202e}", r"$'\033[2J\342\200\256'"),
        ];
        for (word, line) in table {
            assert_eq!(quoted(word), line);
        }
        assert_eq!(add_command("-f.pem", "host"), "sidelight trust add ./-f.pem --into host");
    }
}

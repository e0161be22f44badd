//! How stores and their places are called. In: files of a survey. Out: pieces of lines.

use sidelight_model::trust::catalog::Shelf;
use sidelight_model::trust::{Content, File, Survey};
use sidelight_model::x509::Certificate;

use super::super::Look;

/// `1 root`, `3 roots`.
pub(super) fn number(number: usize, what: &str) -> String {
    super::super::count(number as u64, what)
}

/// What people call a root: its common name, else its unit or organisation, else the whole subject.
pub(super) fn root_name(certificate: &Certificate) -> &str {
    let part = |kind: &str| certificate.subject.rsplit(", ").find_map(|part| part.strip_prefix(kind));
    certificate.common_name.as_deref().or_else(|| part("OU=")).or_else(|| part("O=")).unwrap_or(&certificate.subject)
}

/// Longest history line that is shown.
const LONGEST: usize = 100;

/// `layer 2: RUN apt-get install -y ca-certificates`; `None` where there are no layers.
pub(super) fn origin(look: &Look, survey: &Survey, file: &File) -> Option<String> {
    let index = file.layer?;
    let made = survey.layers.get(index).and_then(|layer| layer.created_by.as_deref());
    let made = made.map(|line| look.peer(&tidy(line))).filter(|line| !line.is_empty());
    let made = made.map(|line| if look.width.is_some() { super::super::escape::clip(&line, LONGEST) } else { line });
    Some(match made {
        Some(made) => format!("layer {}: {made}", index + 1),
        None => format!("layer {}", index + 1),
    })
}

/// A history line without what the builder puts around it.
fn tidy(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_suffix("# buildkit").unwrap_or(line).trim();
    if let Some(command) = line.strip_prefix("/bin/sh -c #(nop)") {
        return command.trim().to_owned();
    }
    let command = line.strip_prefix("RUN /bin/sh -c").or_else(|| line.strip_prefix("/bin/sh -c"));
    command.map_or_else(|| line.to_owned(), |command| format!("RUN {}", command.trim()))
}

/// `pem`, `jks`, `compiled-in`.
pub(super) fn form(shelf: &Shelf<'_>) -> &'static str {
    shelf.store.format.name()
}

/// The file, and what it is when it is a program: `/usr/bin/node (node 20.20.2)`.
pub(super) fn name(look: &Look, file: &File) -> String {
    let path = look.peer(&file.path);
    let Content::Program(program, _) = &file.content else { return path };
    let version = ["node", "go"].iter().find_map(|name| program.values.iter().find(|(known, _)| known == name));
    match version {
        Some(("node", version)) => format!("{path} (Node {})", look.peer(version)),
        Some((_, version)) => format!("{path} ({})", look.peer(version)),
        None => path,
    }
}

/// `144 roots`, `144 roots, 2 faults`, `locked`.
pub(super) fn size(shelf: &Shelf<'_>) -> String {
    if shelf.store.locked {
        return "locked".to_owned();
    }
    match shelf.store.faults.len() {
        0 => number(shelf.count(), "root"),
        faults => format!("{}, {}", number(shelf.count(), "root"), number(faults, "fault")),
    }
}

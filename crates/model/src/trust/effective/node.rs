//! Node.js. In: the ground. Out: the roots compiled into it, and what variables and options add or put in their place.

use super::gather::Gather;
use super::ground::{Ground, Value, base, value};
use super::openssl::{Folder, default_paths, folders};
use super::{Effective, SourceKind};
use crate::trust::{File, Program, Reader, Runtime, Store};

/// One result for each Node of the image.
pub(super) fn node(ground: &Ground<'_>) -> Vec<Effective> {
    let mut found: Vec<(&File, &Program, Option<&Store>)> = ground
        .programs()
        .filter(|(file, program, _)| {
            let name = base(&file.path);
            program.markers.contains(&"NODE_EXTRA_CA_CERTS")
                && (matches!(name, "node" | "nodejs") || name.starts_with("libnode.so"))
        })
        .collect();
    let chosen = ground.find_program("node");
    found.sort_by_key(|(file, ..)| chosen.as_deref() != Some(file.path.as_str()));
    // Debian's `node` is a small program; the roots are in its library.
    let with_roots: Vec<_> = found.iter().copied().filter(|(.., store)| store.is_some()).collect();
    if !with_roots.is_empty() {
        found = with_roots;
    }
    if found.is_empty() {
        return vec![one(ground, None, "Node".to_owned())];
    }
    let several = found.len() > 1;
    let label = |file: &File| if several { format!("Node in {}", file.path) } else { "Node".to_owned() };
    found.into_iter().map(|found| one(ground, Some(found), label(found.0))).collect()
}

type Found<'s> = (&'s File, &'s Program, Option<&'s Store>);

fn one(ground: &Ground<'_>, found: Option<Found<'_>>, label: String) -> Effective {
    let version = found.and_then(|(_, program, _)| value(program, "node"));
    let path = found.map(|(file, ..)| file.path.as_str());
    let mut gather = Gather::new(ground, Runtime::Node, label).of(path, version);
    let own = found.and_then(|(file, program, _)| {
        Some(Folder {
            folder: value(program, "openssldir")?.to_owned(),
            program: Some(file.path.clone()),
            version: None,
            why: format!("the default of the OpenSSL in {}", file.path),
            heeds_variables: true,
        })
    });
    let system = || own.or_else(|| folders(ground).into_iter().next());
    let openssl = option(ground, "--use-openssl-ca");
    if let Some(set) = &openssl {
        gather.note(format!("the roots compiled in are not used: {}", set.origin));
        if let Some(folder) = system() {
            default_paths(&mut gather, &folder);
        }
    } else {
        match found {
            Some((file, _, Some(store))) => gather.entries(file, store, SourceKind::CompiledIn, "compiled in"),
            _ => gather.note("the roots compiled into Node could not be read"),
        }
        match (option(ground, "--use-system-ca"), can_use_system(version)) {
            (Some(_), true) => {
                if let Some(folder) = system() {
                    default_paths(&mut gather, &folder);
                }
            }
            (Some(set), false) => gather.note(format!("{}, but this version does not know it yet", set.origin)),
            (None, _) => {
                if let Some(set) = ground.var("SSL_CERT_FILE") {
                    gather.note(format!(
                        "{}: Node does not look at it without --use-openssl-ca or --use-system-ca",
                        set.origin
                    ));
                }
            }
        }
    }
    if let Some(set) = ground.var("NODE_EXTRA_CA_CERTS") {
        gather.file(&set.value, Reader::NodeExtra, &set.origin);
    }
    if let Some(set) = ground.var("NODE_TLS_REJECT_UNAUTHORIZED").filter(|set| set.value == "0") {
        gather.note(format!("verification is switched off: {}", set.origin));
    }
    gather.anchors();
    gather.done()
}

/// An option on the command line, in `NODE_OPTIONS`, or by its own variable.
fn option(ground: &Ground<'_>, option: &str) -> Option<Value> {
    let is_it = |text: &str| text.split_whitespace().any(|word| word == option);
    if ground.words.iter().any(|word| is_it(word)) {
        return Some(Value { value: option.to_owned(), origin: format!("{option} in the image's command") });
    }
    if let Some(set) = ground.var("NODE_OPTIONS").filter(|set| is_it(&set.value)) {
        return Some(Value { value: option.to_owned(), origin: format!("{option} in {}", set.origin) });
    }
    ground.var("NODE_USE_SYSTEM_CA").filter(|set| option == "--use-system-ca" && set.value == "1")
}

/// Since 22.15 and 23.9; unknown versions are taken for new.
fn can_use_system(version: Option<&str>) -> bool {
    let mut numbers = version.unwrap_or("99").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(99), numbers.next().unwrap_or(0));
    major >= 24 || (major == 23 && minor >= 9) || (major == 22 && minor >= 15)
}

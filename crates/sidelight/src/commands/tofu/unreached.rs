//! Programs of this root file system that variables cannot give a root. In: the root file system. Out: their names and files.
//!
//! Some read compiled-in roots or a database of their own and nothing else; no variable names another store to them.

use crate::ui::Ui;

/// Warns of each. An image is read in a fraction of a second; a whole machine is not, and nobody's entrypoint runs on one.
#[cfg(feature = "full")]
pub(super) fn warn(ui: Ui) {
    use sidelight_model::trust::Runtime;

    use crate::cli::{AsRuntime, ImageOptions};
    use crate::commands::source_roots::{MainRuntime, name};
    use crate::render::escape;

    if !sidelight_host::first_use::is_image_root() {
        return;
    }
    // Where nothing can be told of the root file system, nothing is said of it.
    let Ok(found) = MainRuntime::of("host", &ImageOptions::default(), Some(AsRuntime::Auto), &[], ui) else { return };
    for effective in std::iter::once(&found.chosen).chain(&found.rest) {
        let why = match effective.runtime {
            Runtime::RustWebpki => "has its roots compiled in",
            Runtime::Nss => "has a database of its own",
            Runtime::GnuTls => "reads the system's store alone",
            _ => continue,
        };
        if let Some(program) = &effective.program {
            let (name, program) = (escape::line(&name(effective)), escape::line(program));
            ui.warning(&format!("not reached by any variable: {program} ({name}) {why}"));
        }
    }
}

/// Says that it is not known: reading what an image's programs are takes more than a program with `tofu` alone has.
#[cfg(not(feature = "full"))]
pub(super) fn warn(ui: Ui) {
    ui.note(
        "whether some program here reads no variable is not known to this small program; `sidelight trust list IMAGE --as auto` of the whole one tells",
    );
}

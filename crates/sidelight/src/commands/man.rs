//! `sidelight man DIR`. In: the definition of the command line. Out: one man page per command in a folder.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

/// Writes `sidelight.1`, `sidelight-run.1`, `sidelight-ca-create.1` and so on into `directory`.
pub(super) fn write(directory: &Path) -> Result<Exit, Failure> {
    if !directory.is_dir() {
        return Err(Failure::usage(format_args!("{} is not a folder", directory.display())).hint("make it first"));
    }
    let mut command = Cli::command();
    command.build();
    write_tree(&command, "sidelight", directory)?;
    Ok(Exit::Done)
}

fn write_tree(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Failure> {
    let page = command.clone().name(name.to_owned()).display_name(name.to_owned());
    let mut text = Vec::new();
    clap_mangen::Man::new(page).title(name.to_ascii_uppercase()).render(&mut text)?;
    let path = directory.join(format!("{name}.1"));
    let cannot = |error| Failure::new(format_args!("cannot write {}: {error}", path.display()));
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&text)).map_err(cannot)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        write_tree(inner, &format!("{name}-{}", inner.get_name()), directory)?;
    }
    Ok(())
}

//! `cargo xtask VERB`. In: a verb. Out: the chore done, or exit status 1 and what is wrong.

use std::process::ExitCode;

use xtask::{arrows, dist, gate, licences, setup, tidy, workspace::Workspace};

const HELP: &str = "\
cargo xtask VERB

  setup     install what the tests need: Debian packages, a Python environment, a Node module
  test      setup, then every check and every test, then the static programs and their tests
  arrows    check that no crate uses a crate beside or above it
  tidy      check file heads, sizes, names and licences
  dist      build the static program, target/dist/sidelight
  slim      build the static program with tofu alone, target/dist/sidelight-tofu
";

fn main() -> ExitCode {
    let verb = std::env::args().nth(1).unwrap_or_default();
    match run(&verb) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &str) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::here();
    match verb {
        "setup" => setup::run(&workspace)?,
        "test" => gate::run(&workspace)?,
        "arrows" => return Ok(report(&arrows::check(&workspace.metadata()?)?)),
        "tidy" => {
            let mut complaints = tidy::check(workspace.root())?;
            complaints.extend(licences::check(workspace.root(), &workspace.metadata()?)?);
            return Ok(report(&complaints));
        }
        "dist" => {
            let program = dist::build(&workspace)?;
            println!("{}", program.display());
        }
        "slim" => {
            let program = dist::build_tofu(&workspace)?;
            println!("{}", program.display());
        }
        "" | "help" | "-h" | "--help" => print!("{HELP}"),
        other => {
            eprintln!("error: there is no chore named {other:?}\n\n{HELP}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(complaints: &[String]) -> ExitCode {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The program with `tofu` alone in a root with nothing else in it. In: `SIDELIGHT_SLIM`, made by `cargo xtask slim`. Out: it starts commands, and says
//! what it does not have. Ignored in an ordinary `cargo test`, because the program takes minutes to build; `cargo xtask test` runs it.

use std::path::PathBuf;
use std::process::Command;

use sidelight_testkit::process::run;
use tempfile::TempDir;

/// More is no longer "one line in any image".
const MOST_BYTES: u64 = 16 << 20;

fn program() -> PathBuf {
    std::env::var_os("SIDELIGHT_SLIM").expect("SIDELIGHT_SLIM names the program; run `cargo xtask test`").into()
}

/// The program in a folder with nothing else, and what starts it there.
fn empty_root() -> (TempDir, Command) {
    let root = TempDir::new().expect("a temporary folder");
    std::fs::copy(program(), root.path().join("sidelight")).expect("a copy of the program");
    let mut command = Command::new("/usr/sbin/chroot");
    command.arg(root.path()).arg("/sidelight").env_clear().env("PATH", "/bin").env("HOME", "/");
    (root, command)
}

/// The verbs that the help of a program lists.
fn verbs(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Deeper lines go on with what a verb does.
    let verb = |line: &&str| line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
    listed.filter(verb).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
#[ignore = "needs the static program of `cargo xtask slim`"]
fn it_starts_a_command_in_an_empty_root() {
    let (root, mut command) = empty_root();
    // A command without libraries: the program itself.
    let text = run(command.env("TLS_TOFU", "off").args(["tofu", "--", "/sidelight", "--version"])).success().text();
    assert!(text.starts_with("sidelight ") && text.contains("tofu alone"), "{text}");
    let left: Vec<_> = std::fs::read_dir(root.path()).expect("the root").collect();
    assert_eq!(left.len(), 1, "nothing was written: {left:?}");
}

#[test]
#[ignore = "needs the static program of `cargo xtask slim`"]
fn it_is_small() {
    let size = std::fs::metadata(program()).expect("the program").len();
    assert!(size < MOST_BYTES, "{size} bytes");
}

#[test]
#[ignore = "needs the static program of `cargo xtask slim`"]
fn it_has_tofu_alone_and_says_so() {
    let help = run(Command::new(program()).arg("--help")).success().text();
    assert_eq!(verbs(&help), ["tofu"], "{help}");
    run(Command::new(program()).args(["tofu", "--help"])).success();
    let whole = run(Command::new(env!("CARGO_BIN_EXE_sidelight")).arg("--help")).success().text();
    let others: Vec<&str> = verbs(&whole).into_iter().filter(|verb| *verb != "tofu").chain(["man"]).collect();
    assert!(others.contains(&"run"), "{whole}");
    for verb in others {
        let refused = run(Command::new(program()).args([verb, "x"]));
        assert_eq!(refused.status.code(), Some(2), "{verb}");
        let said = refused.errors();
        assert!(said.contains(&format!("`{verb}` is not in this program")), "{said}");
    }
}

//! The program as a user and a script meet it: help, errors, settings, completions, man pages. In: command lines. Out: streams
//! and exit statuses.

use std::path::Path;
use std::process::{Command, Output};

fn sidelight(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    // No configuration file and no variables of the machine may play a part.
    command.args(arguments).env_clear().env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

fn output(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    (status.code(), String::from_utf8(stdout).expect("UTF-8"), String::from_utf8(stderr).expect("UTF-8"))
}

#[test]
fn help_goes_to_standard_output_and_mistakes_to_standard_error() {
    let (code, out, err) = output(sidelight(&["--help"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("sidelight run -- curl"), "{out}");
    let (code, out, err) = output(sidelight(&["prox"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("'proxy'"), "{err}");
    let (code, _, err) = output(sidelight(&["proxy", "--mode", "upstream:http://kim:hunter2@host:port"]));
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: `--mode <MODE>`: ") && err.contains("\nhint: "), "{err}");
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn config_show_tells_what_won_and_hides_logins() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "only = [\"a.test\"]\nproxy-auth = \"kim:hunter2\"\n").expect("a file");
    let mut command = sidelight(&["config", "show", "--json", "--body-limit", "1k"]);
    command.env("SIDELIGHT_CONFIG", &file).env("SIDELIGHT_MODE", "socks5,upstream:http://kim:hunter2@proxy.test:81");
    let (code, out, err) = output(command);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(!out.contains("hunter2"), "{out}");
    let shown: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let settings = &shown["settings"];
    assert_eq!(settings["only"]["value"][0], "a.test");
    assert_eq!(settings["only"]["source"], "file");
    assert_eq!(settings["only"]["line"], 1);
    assert_eq!(settings["body-limit"]["value"], "1k");
    assert_eq!(settings["body-limit"]["source"], "option");
    assert_eq!(settings["mode"]["value"][0], "socks5");
    assert_eq!(settings["mode"]["variable"], "SIDELIGHT_MODE");
    assert_eq!(settings["on-untrusted"]["source"], "default");
    let (_, text, _) = output(sidelight(&["config", "show"]));
    assert!(text.lines().any(|line| line.starts_with("on-untrusted") && line.ends_with("default")), "{text}");
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = output(sidelight(&["completions", shell]));
        assert_eq!(code, Some(0), "{shell}");
        assert!(script.contains("on-untrusted") && script.contains("uninstall"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (code, _, err) = output(sidelight(&["man", &folder.path().to_string_lossy()]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(page("sidelight-proxy.1").contains("on\\-untrusted"));
    for name in
        ["sidelight.1", "sidelight-run.1", "sidelight-ca-install.1", "sidelight-config-show.1", "sidelight-demo.1"]
    {
        assert!(page(name).starts_with(".ie \\n(.g .ds Aq") || page(name).contains(".TH"), "{name}");
    }
    assert!(!Path::new(&folder.path().join("sidelight-man.1")).exists(), "hidden commands have no page");
}

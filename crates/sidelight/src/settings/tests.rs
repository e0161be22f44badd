//! Tests of the layers. In: command lines, variables and files. Out: what won, and the words of what is wrong.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;

use super::*;
use crate::cli::{Command as Verb, OnUntrusted, ProxyOptions};

/// Resolves `words` with `variables` and a configuration file that holds `text`.
fn resolve_with(words: &[&str], variables: &[(&str, &str)], text: &str) -> Result<Settings, NoSettings> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let mut map: HashMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    map.insert("SIDELIGHT_CONFIG".to_owned(), path.into());
    let arguments: Vec<OsString> =
        std::iter::once("sidelight").chain(words.iter().copied()).map(OsString::from).collect();
    resolve(&arguments, &|name| map.get(name).cloned())
}

fn failure(words: &[&str], variables: &[(&str, &str)], text: &str) -> String {
    match resolve_with(words, variables, text) {
        Err(NoSettings::Wrong(failure)) => {
            assert_eq!(failure.exit, crate::exit::Exit::Usage);
            format!("{}\n{}", failure.message, failure.hints.join("\n"))
        }
        other => panic!("{other:?}"),
    }
}

fn options(settings: &Settings) -> &ProxyOptions {
    match &settings.cli.command {
        Verb::Proxy(proxy) => &proxy.options,
        Verb::Run(run) => &run.options,
        other => panic!("{other:?}"),
    }
}

fn source(settings: &Settings, name: &str) -> String {
    let setting = settings.all.iter().find(|setting| setting.name == name).unwrap();
    match &setting.source {
        Source::File(_, line) => format!("file:{line}"),
        other => other.to_string(),
    }
}

#[test]
fn the_nearest_layer_wins() {
    let file = "# ours\non-untrusted = \"refuse\"\n";
    let settings = resolve_with(&["proxy"], &[], "").unwrap();
    assert_eq!(options(&settings).services.on_untrusted, OnUntrusted::Mirror);
    assert_eq!(source(&settings, "on-untrusted"), "default");

    let settings = resolve_with(&["proxy"], &[], file).unwrap();
    assert_eq!(options(&settings).services.on_untrusted, OnUntrusted::Refuse);
    assert_eq!(source(&settings, "on-untrusted"), "file:2");

    let variables = [("SIDELIGHT_ON_UNTRUSTED", "warn")];
    let settings = resolve_with(&["proxy"], &variables, file).unwrap();
    assert_eq!(options(&settings).services.on_untrusted, OnUntrusted::Warn);
    assert_eq!(source(&settings, "on-untrusted"), "environment SIDELIGHT_ON_UNTRUSTED");

    let settings = resolve_with(&["proxy", "--on-untrusted", "mirror"], &variables, file).unwrap();
    assert_eq!(options(&settings).services.on_untrusted, OnUntrusted::Mirror);
    assert_eq!(source(&settings, "on-untrusted"), "option");
}

#[test]
fn lists_flags_counts_and_globals_come_from_every_layer() {
    let file = "mode = [\"socks5\", \"sni\"]\nverbose = 2\nallow-public = true\nbody-limit = 10\ncolor = \"never\"\n";
    let settings = resolve_with(
        &["run", "--", "true"],
        &[("SIDELIGHT_ONLY", "a.test, *.b.test"), ("SIDELIGHT_JSON", "yes")],
        file,
    )
    .unwrap();
    let options = options(&settings);
    let modes: Vec<String> = options.ways_in.mode.iter().map(ToString::to_string).collect();
    assert_eq!(modes, ["socks5@1080", "sni:443@8443"]);
    assert_eq!((options.show.verbose, options.ways_in.allow_public, options.limits.body_limit.0), (2, true, 10));
    assert_eq!(options.scope.only.len(), 2);
    assert!(settings.cli.global.json);
    assert_eq!(settings.cli.global.color, crate::cli::ColorWhen::Never);
    assert_eq!(source(&settings, "json"), "environment SIDELIGHT_JSON");
    assert_eq!(source(&settings, "color"), "file:5");
}

#[test]
fn an_option_silences_what_contradicts_it_below() {
    let settings = resolve_with(&["proxy", "--ca", "/ca"], &[], "ephemeral-ca = true\n").unwrap();
    assert!(!options(&settings).ca.ephemeral_ca);
    let settings = resolve_with(&["proxy", "-v"], &[("SIDELIGHT_QUIET", "1")], "").unwrap();
    assert!(!options(&settings).show.quiet);
    assert!(matches!(resolve_with(&["proxy", "-v", "-q"], &[], ""), Err(NoSettings::Clap(_))));
}

#[test]
fn wrong_keys_and_values_are_named_with_their_place() {
    for (variables, text, expected) in [
        (
            &[][..],
            "\non_untrusted = \"warn\"",
            "config.toml:2: no option is called `on_untrusted`\ndid you mean `on-untrusted`?",
        ),
        (&[], "zzz = 1", "the keys are the long options"),
        (&[], "only = [1.5]", "config.toml:1: `only` takes a string or a decimal number, not a TOML float"),
        (&[], "ca = [\"a\"]", "`ca` takes one value"),
        (&[], "json = \"yes\"", "`json` takes true or false"),
        (&[], "x = \n", "config.toml:1: "),
        (&[], "\n\nfail-open-for = \"soon\"", "config.toml:3: `fail-open-for`: `soon` is not a duration"),
        (&[("SIDELIGHT_MODE", "socks4")], "", "SIDELIGHT_MODE (for `--mode <MODE>`): `socks4` is no mode"),
        (&[("SIDELIGHT_JSON", "maybe")], "", "SIDELIGHT_JSON: `maybe` is neither yes nor no"),
        (&[("SIDELIGHT_ON_OVERLOAD", "x")], "", "`x` is none of drop, wait"),
    ] {
        let message = failure(&["proxy"], variables, text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let missing = failure(&["proxy", "--config", "/nonexistent/file"], &[], "");
    assert!(missing.starts_with("cannot read /nonexistent/file: "), "{missing}");
}

#[test]
fn settings_of_other_commands_are_listed_when_somebody_set_them() {
    let settings = resolve_with(&["proxy"], &[("SIDELIGHT_INTO", "nss,java")], "transparent = true\n").unwrap();
    let named = |name: &str| settings.all.iter().find(|setting| setting.name == name).cloned();
    assert_eq!(named("transparent").unwrap().values, ["true"]);
    assert_eq!(source(&settings, "transparent"), "file:1");
    assert_eq!(named("into").unwrap().values, ["nss", "java"]);
    assert_eq!(named("dry-run"), None);
}

#[test]
fn an_option_is_read_as_its_command_has_it() {
    let values = |arguments: &[&str]| {
        let settings = resolve_with(arguments, &[("SIDELIGHT_INTO", "a,b")], "").unwrap();
        settings.all.iter().find(|setting| setting.name == "into").unwrap().values.clone()
    };
    assert_eq!(values(&["trust", "add", "root.pem", "--into", "c"]), ["c"]);
    assert_eq!(values(&["ca", "install"]), ["a", "b"]);
}

#[test]
fn logins_stay_out_of_messages() {
    for mode in ["upstream:ftp://kim:hunter2@a.test", "upstream:http://kim:hunter2@a b", "upstream:http://kim:hunter2@"]
    {
        let message = failure(&["proxy", "--mode", mode], &[], "");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let hidden = |secret: &str| sidelight_model::redact::fingerprint(secret.as_bytes());
    for (text, secret) in [
        ("upstream:http://kim:hunter2@a.test:3128@81 x", "kim:hunter2"),
        ("upstream:http://kim:1234@a.test", "kim:1234"),
        ("http://token@a.test/", "token"),
    ] {
        assert_eq!(without_logins(text), text.replace(secret, &hidden(secret)));
    }
    for text in ["upstream:http://a.test:3128@81", "https://a.test/x@y", "a@b"] {
        assert_eq!(without_logins(text), text);
    }
}

#[test]
fn no_recording_wins_over_a_named_one_below_it() {
    let file = "store = \"/srv/all.sidelight\"\npcap-content = \"both\"\nrotate-size = \"1GiB\"\n";
    let settings = resolve_with(&["proxy", "--no-store"], &[], file).unwrap();
    let recording = &options(&settings).recording;
    assert!(recording.no_store && recording.store.is_none());
    assert_eq!(recording.pcap_content, crate::cli::PcapContent::Both);
    assert_eq!(recording.rotate_size, Some(crate::cli::Size(1 << 30)));
    let settings = resolve_with(&["run", "--store", "x", "--", "true"], &[("SIDELIGHT_NO_STORE", "1")], file).unwrap();
    let recording = &options(&settings).recording;
    assert!(!recording.no_store);
    assert_eq!(recording.store.as_deref(), Some(std::path::Path::new("x")));
}

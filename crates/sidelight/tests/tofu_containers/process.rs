//! The command itself: its arguments, process id, signals, statuses, and what is left for others to misuse. In: containers. Out: all as without us.

use crate::engine::{Engine, leaf, scanner};

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn cmd_with_spaces_and_quotes() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    let words = ["printf", "[%s]", "a  b", "$(id -u)", "it's \"so\"", "", "*", "two\nlines"];
    let said = engine.run(&engine.pins(), &words).success();
    assert_eq!(said.text(), "[a  b][$(id -u)][it's \"so\"][][*][two\nlines]");
    // The image's own CMD, too.
    let file = engine.path("Dockerfile");
    std::fs::write(&file, "FROM sidelight:debian\nCMD [\"printf\", \"[%s]\", \"a  b\", \"$(id -u)\", \"it's\"]\n")
        .unwrap();
    let image = engine.own("words");
    engine.build_in(&image, file.to_str().unwrap(), &[], &engine.path(""));
    let said = engine.container(&format!("run --rm {}", engine.pins()), &image, &[]).success();
    assert_eq!(said.text(), "[a  b][$(id -u)][it's]");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn signals_and_exit_statuses_through_pid_1() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    let pins = engine.pins();
    for (command, status) in [
        (&["sh", "-c", "exit 42"][..], 42),
        (&["sh", "-c", "sh -c 'kill -KILL $$'"], 137),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let done = engine.run(&pins, command);
        assert_eq!(done.status.code(), Some(status), "{done}");
    }
    for (signal, status) in [("TERM", "7"), ("INT", "8"), ("USR1", "9")] {
        let app = engine.own(signal);
        let handler = "trap 'echo bye; exit 7' TERM; trap 'exit 8' INT; trap 'exit 9' USR1; \
            echo pid $$; while :; do sleep 0.1; done";
        let detached = format!("run --detach --name {app} {pins}");
        engine.container(&detached, "sidelight:debian", &["sh", "-c", handler]).success();
        engine.until(|| engine.line(&format!("logs {app}")).text().contains("pid 1\n"));
        engine.line(&format!("kill --signal {signal} {app}")).success();
        assert_eq!(engine.line(&format!("wait {app}")).success().text(), format!("{status}\n"), "{signal}");
        if signal == "TERM" {
            assert_eq!(engine.line(&format!("logs {app}")).text(), "pid 1\nbye\n");
        }
        engine.line(&format!("rm {app}")).success();
    }
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn the_user_that_was_asked_for_has_no_way_back() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    let options = format!("{} -e SIDELIGHT_USER=nobody", engine.pins());
    let rights = "id -u; id -g; id -G; grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status";
    let said = engine.run(&options, &["sh", "-c", rights]).success().text();
    let none = "0000000000000000";
    let expected = format!(
        "65534\n65534\n65534\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\n"
    );
    assert_eq!(said, expected);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn the_audit_log_names_container_and_image() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));
    let log = format!("{} -e SIDELIGHT_LOG=/var/lib/sidelight/log", engine.pins());
    let image = "registry.example/app@sha256:47DEQpj8";
    let mut identifiers = Vec::new();
    for (name, further) in [("told", format!("-e SIDELIGHT_IMAGE={image}")), ("untold", String::new())] {
        let name = engine.own(name);
        engine.container(&format!("run --name {name} {log} {further}"), "sidelight:debian", &["true"]).success();
        identifiers.push(engine.line(&format!("inspect --format {{{{.Id}}}} {name}")).success().text());
        engine.line(&format!("rm {name}")).success();
    }
    let program = |words: &[&str]| engine.run(&format!("{} --entrypoint {}", engine.pins(), words[0]), &words[1..]);
    let text = program(&["/bin/cat", "/var/lib/sidelight/log"]).success().text();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, identifier) in lines.iter().zip(&identifiers) {
        assert_eq!(line["container_id"], identifier.trim(), "{line}");
    }
    assert_eq!((&lines[0]["decision"], &lines[1]["decision"]), (&"adopt".into(), &"install".into()), "{text}");
    // Docker tells a container nothing of its image.
    assert_eq!((&lines[0]["image"], &lines[1]["image"]), (&image.into(), &serde_json::Value::Null), "{text}");
    program(&["/sidelight", "tofu", "log", "verify", "/var/lib/sidelight/log"]).success();
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn entrypoint_overridden() {
    let engine = Engine::with_debian();
    let find = ["/", "-xdev", "-perm", "/6000", "-type", "f"];
    let of = |image: &str| {
        let mut words = vec!["run", "--rm", "--network", "none", "--entrypoint", "/usr/bin/find", image];
        words.extend(find);
        let mut found: Vec<String> = engine.docker(&words).success().text().lines().map(str::to_owned).collect();
        found.sort();
        found
    };
    let base = of("base:debian");
    assert!(base.iter().any(|file| file == "/bin/su" || file == "/usr/bin/su"), "find finds nothing: {base:?}");
    assert_eq!(of("sidelight:debian"), base, "the image brings a setuid program");
    // The command runs as it is, in an image that nobody looked for.
    let said = engine.run("--entrypoint /usr/bin/id", &["-u"]).success();
    assert_eq!(said.text(), "0\n", "{said}");
    assert!(said.errors().is_empty(), "{said}");
    let options = "--user 65534 -e TLS_TOFU=false -e SIDELIGHT_USER=root";
    let refused = engine.run(options, &["id"]);
    assert!(!refused.text().contains("uid=0"), "{refused}");
    let refused = engine.run(
        "--user 65534 --entrypoint /sidelight",
        &[
            "tofu",
            "--user",
            "root",
            "--policy",
            "observe",
            "--on-unreachable",
            "continue",
            "--deadline",
            "1s",
            "--host",
            "localhost:1",
            "--",
            "id",
        ],
    );
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("cannot run as 0:0"), "{refused}");
}

//! The command itself: its arguments, process id, signals, statuses, and what is left for others to misuse. In: containers. Out: all as without us.

use crate::engine::{Engine, VOLUME, leaf, scanner};

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn the_command_is_as_it_was_written() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));

    let said = engine.run(VOLUME, &["printf", "[%s]", "a  b", "$(id -u)", "it's \"so\"", ""]).success();
    assert_eq!(said.text(), "[a  b][$(id -u)][it's \"so\"][]");

    for (command, status) in [
        (&["sh", "-c", "exit 42"][..], 42),
        (&["sh", "-c", "sh -c 'kill -KILL $$'"], 137),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let done = engine.run(VOLUME, command);
        assert_eq!(done.status.code(), Some(status), "{done}");
    }

    let handler = "trap 'echo bye; exit 7' TERM; echo pid $$; while :; do sleep 0.1; done";
    engine
        .container(&format!("run --detach --name app {VOLUME}"), "sidelight:debian", &["sh", "-c", handler])
        .success();
    let mut patience = 600;
    while !engine.line("logs app").text().contains("pid 1\n") {
        patience -= 1;
        assert!(patience > 0, "{}", engine.line("logs app"));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    engine.line("stop --time 60 app").success();
    assert_eq!(engine.line("logs app").text(), "pid 1\nbye\n");
    assert_eq!(engine.line("inspect --format {{.State.ExitCode}} app").text(), "7\n");

    // As the user that was asked for, without any way back.
    let rights = "id -u; id -g; id -G; grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status";
    let said = engine.run(&format!("{VOLUME} -e SIDELIGHT_USER=nobody"), &["sh", "-c", rights]).success().text();
    let none = "0000000000000000";
    let expected = format!(
        "65534\n65534\n65534\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\n"
    );
    assert_eq!(said, expected);
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn an_overridden_entrypoint_leaves_no_way_to_root() {
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

//! Rights, reach and time: what the container may do, whether the service answers, and what became of its CA since. In: a scanner's CA, an
//! attacker's. Out: connections, or refusals with their status.

use crate::engine::{Engine, VOLUME, leaf, scanner};

const PYTHON: &str = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)";

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn rights_decide_where_roots_are_put_and_not_whether() {
    let engine = Engine::with_debian();
    let _service = engine.service(&leaf(&scanner()));

    // Without a volume that stays, the next container would trust whoever answers first.
    let refused = engine.curl("");
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("-v sidelight:/var/lib/sidelight"), "{refused}");
    let refused = engine.curl("-v /var/lib/sidelight");
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("a volume without a name"), "{refused}");

    let first = engine.connects(VOLUME);
    assert!(first.errors().contains("adopted on first use"), "{first}");
    assert!(first.errors().contains("CN=Scanner"), "{first}");
    let every = "--read-only --cap-drop ALL --security-opt no-new-privileges --user 65534";
    for options in ["", "--security-opt no-new-privileges", "--read-only", "--cap-drop ALL", "--user 65534", every] {
        let options = format!("{VOLUME} {options}");
        let said = engine.connects(&options);
        assert!(said.errors().contains("the recorded key"), "{options}: {said}");
        let python = engine.run(&options, &["python3", "-c", PYTHON, &engine.url()]).success();
        assert_eq!(python.text(), "204\n", "{options}: {python}");
    }
    // First use by somebody who cannot write the record is no use: it says what to record, or to pin.
    let refused = engine.curl("-v other:/var/lib/sidelight --user 65534");
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    let key = refused.errors().split_whitespace().find(|word| word.starts_with("sha256//")).map(str::to_owned);
    let key = key.unwrap_or_else(|| panic!("no key is named: {refused}"));
    engine.connects(&format!("-e SIDELIGHT_PIN={} {every}", key.trim_end_matches(')')));
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn an_unreachable_host_is_not_a_bad_one() {
    let engine = Engine::with_debian();
    let refused = engine.run(&format!("{VOLUME} -e SIDELIGHT_DEADLINE=1s"), &["echo", "started"]);
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("refused") && refused.text().is_empty(), "{refused}");
    let options = format!("{VOLUME} -e SIDELIGHT_DEADLINE=1s -e SIDELIGHT_ON_UNREACHABLE=continue");
    assert_eq!(engine.run(&options, &["echo", "started"]).success().text(), "started\n");
    assert_eq!(engine.run("-e TLS_TOFU=false", &["echo", "started"]).success().text(), "started\n");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn another_ca_is_refused_by_restarted_and_by_new_containers() {
    let engine = Engine::with_debian();
    // Of the same name, with keys of their own.
    let service = engine.service(&leaf(&scanner()));
    let url = engine.url();
    let curl = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "%{http_code}", &url];
    engine.container(&format!("create --name app {VOLUME}"), "sidelight:debian", &curl).success();
    for _ in 0..2 {
        let said = engine.line("start --attach app").success();
        assert_eq!(said.text(), "204", "{said}");
    }
    let before = engine.run(&format!("{VOLUME} --entrypoint /bin/cat"), &["/var/lib/sidelight/known-roots"]).success();

    drop(service);
    let _attacked = engine.service(&leaf(&scanner()));
    let restarted = engine.line("start --attach app");
    assert_eq!(restarted.status.code(), Some(121), "{restarted}");
    let recreated = engine.curl(VOLUME);
    assert_eq!(recreated.status.code(), Some(121), "{recreated}");
    for said in [&restarted, &recreated] {
        let errors = said.errors();
        assert!(said.text().is_empty(), "the command ran: {said}");
        assert!(errors.contains("recorded: sha256//") && errors.contains("shown:    sha256//"), "{said}");
    }
    let after = engine.run(&format!("{VOLUME} --entrypoint /bin/cat"), &["/var/lib/sidelight/known-roots"]).success();
    assert_eq!(before.text(), after.text(), "a refusal was recorded");

    // The command that accepts is the one that was printed.
    let errors = recreated.errors();
    let accept = errors.split("sidelight tofu pins accept ").nth(1).and_then(|rest| rest.lines().next());
    let accept = accept.unwrap_or_else(|| panic!("no command accepts: {recreated}"));
    let words: Vec<&str> = ["tofu", "pins", "accept"].into_iter().chain(accept.split_whitespace()).collect();
    engine.run(&format!("{VOLUME} --entrypoint /sidelight"), &words).success();
    engine.connects(VOLUME);
    assert_eq!(engine.line("start --attach app").success().text(), "204");
}

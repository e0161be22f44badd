//! The sandbox of `run --transparent`, tried for real: programs in it, servers outside of it, a small forwarder in place of
//! the proxy. In: nothing (root is needed, to make namespaces and to become `nobody`). Out: one line a test.
//!
//! It has a `main` of its own, as the sandbox's agent is the program itself started once more, before any thread. For the
//! same reason the program that runs a command in a sandbox is this one too: `sandbox __run COMMAND…`.

mod cases;
mod runner;
mod world;

use std::process::ExitCode;

use sidelight_host::netns;

/// The tests, by name.
const TESTS: &[(&str, fn())] = &[
    ("tcp_reaches_servers_outside", cases::tcp_reaches_servers_outside),
    ("tcp_reaches_servers_inside", cases::tcp_reaches_servers_inside),
    ("names_are_resolved_outside", cases::names_are_resolved_outside),
    ("other_udp_is_refused_and_counted", cases::other_udp_is_refused_and_counted),
    ("the_command_is_what_it_is_outside", cases::the_command_is_what_it_is_outside),
    ("settings_of_the_network_are_kept", cases::settings_of_the_network_are_kept),
    ("files_are_shown_inside_only", cases::files_are_shown_inside_only),
    ("nothing_is_left_when_the_parent_is_killed", cases::nothing_is_left_when_the_parent_is_killed),
    ("the_parent_notices_when_the_agent_is_killed", cases::the_parent_notices_when_the_agent_is_killed),
    ("refusals_name_what_is_missing", cases::refusals_name_what_is_missing),
];

fn main() -> ExitCode {
    if let Some(code) = netns::agent_main_if_asked(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("__run") => runner::run(&arguments[1..]),
        Some("__talk_to_itself") => runner::talk_to_itself(),
        _ => test(&arguments),
    }
}

/// Runs the tests whose names hold one of the arguments, one after the other.
fn test(arguments: &[String]) -> ExitCode {
    // Of the options of cargo's own test programs, only `--list` means something here; some have a value.
    let valued =
        |at: usize| matches!(arguments.get(at).map(String::as_str), Some("--test-threads" | "--format" | "--color"));
    let wanted: Vec<&String> = arguments
        .iter()
        .enumerate()
        .filter(|(at, argument)| !argument.starts_with('-') && !at.checked_sub(1).is_some_and(valued))
        .map(|(_, argument)| argument)
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let chosen = TESTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(*part)));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in chosen {
        let good = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        *if good { &mut passed } else { &mut failed } += 1;
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        TESTS.len() - passed - failed
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

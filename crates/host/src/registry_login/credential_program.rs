//! Programs that keep logins. In: a name, the registry. Out: its login, or that there is none. Such a program is given so much time and
//! may print so much; what it prints may be a secret and appears in no message.
//! Spec: docker-credential-helpers: `docker-credential-NAME get`, the registry on standard input, JSON on standard output.

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sidelight_wire::registry::{Login, parse_helper_answer};

/// The time it gets; some ask a cloud.
const LIMIT: Duration = Duration::from_secs(30);

/// The most bytes that are read of what it prints.
const LARGEST: u64 = 256 * 1024;

/// Asks for the keys in turn; `None`: it knows none of them.
///
/// # Errors
/// When it cannot be started, fails, or prints something else; one line with its name in it.
pub(super) fn ask(name: &str, keys: &[String]) -> Result<Option<Login>, String> {
    for key in keys {
        if let Some(login) = ask_one(name, key)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

fn ask_one(name: &str, key: &str) -> Result<Option<Login>, String> {
    let program = format!("docker-credential-{name}");
    ask_program(Command::new(&program), &program, key)
}

fn ask_program(mut command: Command, program: &str, key: &str) -> Result<Option<Login>, String> {
    let failed = |why: String| format!("the credential helper {program} {why}");
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed("is not on the PATH".to_owned()),
        _ => failed(format!("cannot be started: {error}")),
    })?;
    let printed = converse(&mut child, key);
    let printed = match printed {
        Some(printed) => printed,
        None => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format!("gave no answer within {} s", LIMIT.as_secs())));
        }
    };
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() {
        return parse_helper_answer(&printed)
            .map(Some)
            .map_err(|error| failed(format!("cannot be understood: {error}")));
    }
    let text = String::from_utf8_lossy(&printed).to_lowercase();
    if text.contains("not found") || text.contains("no credentials") {
        return Ok(None);
    }
    Err(failed(format!("failed for {key} ({status})")))
}

/// Tells it the key and reads all that it prints; `None` when the time is over.
fn converse(child: &mut Child, key: &str) -> Option<Vec<u8>> {
    let mut input = child.stdin.take()?;
    let output = child.stdout.take()?;
    // It may not read what it is told; that is its own affair.
    let _ = input.write_all(key.as_bytes());
    drop(input);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut printed = Vec::new();
        let _ = output.take(LARGEST).read_to_end(&mut printed);
        let _ = sender.send(printed);
    });
    receiver.recv_timeout(LIMIT).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A helper that is this script.
    fn helper(script: &str) -> Result<Option<Login>, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask_program(command, "docker-credential-test", "r.test")
    }

    #[test]
    fn a_helper_is_told_the_registry_and_answers_with_a_login() {
        let script = r#"read -r key || true; [ "$0 $1" = "get " ] || exit 9; printf '{"ServerURL":"%s","Username":"u-%s","Secret":"s3cret"}' "$key" "$key""#;
        let login = helper(script).unwrap().unwrap();
        assert!(
            matches!(&login, Login::Password { user, password } if user == "u-r.test" && password.reveal() == "s3cret")
        );
        assert!(!format!("{login:?}").contains("s3cret"));
    }

    #[test]
    fn one_that_knows_nothing_is_no_failure_and_others_are_named() {
        assert_eq!(helper("echo credentials not found in native keychain; exit 1").unwrap(), None);
        let failed = helper("echo s3cret; exit 1").unwrap_err();
        assert!(failed.contains("docker-credential-test failed for r.test") && !failed.contains("s3cret"), "{failed}");
        let nonsense = helper("echo s3cret").unwrap_err();
        assert!(nonsense.contains("no JSON") && !nonsense.contains("s3cret"), "{nonsense}");
        assert!(helper("yes '{' | head -c 1000000").unwrap_err().len() < 200);
        let absent = ask("that-nobody-installed", &["r.test".to_owned()]).unwrap_err();
        assert!(absent.contains("docker-credential-that-nobody-installed is not on the PATH"), "{absent}");
    }
}

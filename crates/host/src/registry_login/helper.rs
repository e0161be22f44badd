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
    let failed = |why: String| format!("the credential helper {program} {why}");
    let mut command = Command::new(&program);
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

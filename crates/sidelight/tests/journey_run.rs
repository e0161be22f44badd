//! `sidelight run -- COMMAND`: commands as people start them. In: the real program, ordinary clients that are told nothing of a proxy or a CA.
//! Out: their TLS is seen, their output and exit status are their own; by the environment, and in a network of their own.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::{self, NAME};
use sidelight_testkit::{Hosts, Issuer, Origin, peers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// An origin, and `sidelight run` with its root.
struct Stage {
    origin: Origin,
    hosts: Hosts,
    folder: tempfile::TempDir,
    roots: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let root = Issuer::root("Run Test Root");
        let origin = Origin::https("127.0.0.1:0", &world::identity(&root), &["h2", "http/1.1"]);
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let hosts = world::names(folder.path());
        let roots = root.write_to(&folder.path().join("roots.pem"));
        Self { origin, hosts, folder, roots }
    }

    fn url(&self) -> String {
        format!("https://{NAME}:{}", self.origin.address().port())
    }

    /// `sidelight run OPTIONS -- COMMAND`, with a CA of the test's own.
    fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let mut run = self.hosts.command(world::binary(PROGRAM));
        run.arg("run").arg("--ca").arg(self.folder.path().join("ca")).arg("--roots").arg(&self.roots);
        run.args(options).arg("--").args(command);
        run.env("SIDE_URL", self.url()).env_remove("SIDE_CA").env_remove("SIDE_PROXY").env_remove("UNDICI");
        run.current_dir(self.folder.path());
        run
    }

    /// Runs a client both ways that there are; its bodies go to a file, sidelight's JSON Lines to standard output.
    fn sees(&self, options: &[&str], client: &[&str], paths: &[&str]) -> Finished {
        let line = [&["sh", "-c", "exec \"$@\" > out", "sh"], client].concat();
        let done = run(&mut self.run(&[&["--json"], options].concat(), &line));
        assert!(done.status.success(), "{done}");
        for path in paths {
            let url = format!("{}{path}", self.url());
            let shown =
                |line: &Value| line["type"] == "exchange" && line["url"] == url.as_str() && line["status"] == 200;
            assert!(reports(&done).iter().any(shown), "{url} is not shown: {done}");
        }
        done
    }

    fn out(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("out")).expect("the client's output")
    }
}

fn reports(done: &Finished) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}: {done}"));
    done.text().lines().map(parse).collect()
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn by_the_environment() {
    let stage = Stage::new();
    let url = stage.url();
    let python = text(&peers::python());
    let requests = text(&peers::script("fetch_requests.py"));
    let go = text(&peers::go_program());
    let java = text(&peers::script("Fetch.java"));
    let get = format!("{url}/bytes/70001");
    let standard = format!("import urllib.request as u; print(len(u.urlopen('{get}').read()))");
    let clients: [(&[&str], &[&str]); 6] = [
        (&["curl", "--silent", "--show-error", &get], &["/bytes/70001"]),
        (&["wget", "--quiet", "--output-document", "-", &get], &["/bytes/70001"]),
        (&[&python, &requests], &["/bytes/3000017", "/hash", "/echo"]),
        (&[&python, "-c", &standard], &["/bytes/70001"]),
        (&[&go], &["/bytes/2000003", "/hash"]),
        (&["java", "-XX:TieredStopAtLevel=1", &java], &["/bytes/1200007", "/hash"]),
    ];
    for (client, paths) in clients {
        stage.sees(&[], client, paths);
        assert!(!stage.out().is_empty(), "{client:?} printed nothing");
    }
}

#[test]
fn in_a_network_of_its_own() {
    let stage = Stage::new();
    let get = format!("{}/bytes/70001", stage.url());
    let go = text(&peers::go_program());
    let java = text(&peers::script("Fetch.java"));
    let node = text(&peers::script("fetch.mjs"));
    let clients: [(&[&str], &[&str]); 4] = [
        (&["curl", "--silent", "--show-error", "--noproxy", "*", &get], &["/bytes/70001"]),
        (&["node", &node], &["/bytes/700001", "/hash"]),
        (&[&go], &["/bytes/2000003", "/hash"]),
        (&["java", "-XX:TieredStopAtLevel=1", &java], &["/bytes/1200007", "/hash"]),
    ];
    for (client, paths) in clients {
        stage.sees(&["--transparent"], client, paths);
        assert!(!stage.out().is_empty(), "{client:?} printed nothing");
    }
}

#[test]
fn the_process_is_named() {
    let stage = Stage::new();
    let done = stage.sees(&[], &["curl", "--silent", &format!("{}/bytes/9", stage.url())], &["/bytes/9"]);
    let exchange = reports(&done).into_iter().find(|line| line["type"] == "exchange").expect("an exchange");
    assert_eq!(exchange["client"]["process"]["name"], "curl", "{exchange}");
}

#[test]
fn people_see_a_line_and_no_secret() {
    let stage = Stage::new();
    let url = format!("{}/bytes/12?access_token=s3cr3t-in-a-query", stage.url());
    let secret = "Authorization: Bearer s3cr3t-in-a-header";
    for detail in [&[][..], &["-v"], &["-vv"]] {
        let curl = ["curl", "--silent", "--output", "/dev/null", "--header", secret, &url];
        let done = run(&mut stage.run(detail, &curl)).success();
        let all = format!("{}{}", done.text(), done.errors());
        assert!(all.contains("GET") && all.contains("/bytes/12") && all.contains("200"), "{done}");
        assert!(!all.contains("s3cr3t"), "a secret is shown: {done}");
        if !detail.is_empty() {
            assert!(all.contains("redacted"), "{done}");
        }
    }
}

#[test]
fn the_commands_streams_and_status_are_its_own() {
    let stage = Stage::new();
    for (command, status) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["no-such-command-anywhere"], 127),
        (&["/etc/hostname"], 126),
    ] {
        let done = run(&mut stage.run(&[], command));
        assert_eq!(done.status.code(), Some(status), "{command:?}: {done}");
    }
    let mut own = stage.run(&["--quiet"], &["sh", "-c", "echo to-stdout; echo to-stderr >&2"]);
    let done = run(&mut own).success();
    assert_eq!(done.text(), "to-stdout\n", "{done}");
    assert!(done.errors().contains("to-stderr"), "{done}");
    let mut wrong = stage.hosts.command(world::binary(PROGRAM));
    wrong.args(["run", "--ephemeral-ca", "--roots", "no-such-file.pem", "--", "true"]).current_dir(stage.folder.path());
    let done = run(&mut wrong);
    assert_eq!(done.status.code(), Some(125), "{done}");
    assert!(done.errors().contains("no-such-file.pem") && done.errors().contains("--roots"), "{done}");
}

#[test]
fn signals_are_passed_on() {
    let stage = Stage::new();
    let script = "trap 'echo ended > mark; exit 9' TERM; echo ready > mark; while :; do sleep 0.05; done";
    let mut child = stage.run(&[], &["sh", "-c", script]).spawn().expect("sidelight starts");
    let mark = stage.folder.path().join("mark");
    let until = |words: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::fs::read_to_string(&mark).unwrap_or_default().trim() != words {
            assert!(Instant::now() < deadline, "the command is not {words}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("ready");
    kill_process(Pid::from_raw(child.id().cast_signed()).expect("a process id"), Signal::TERM).expect("a signal");
    until("ended");
    let status = child.wait().expect("sidelight ends");
    assert_eq!((status.code(), status.signal()), (Some(9), None));
}

/// Plays the terminal: starts its arguments on one, sends SIGINT to the program alone, then presses Ctrl-C, then ends it.
const TERMINAL: &str = r#"
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
heard = b""
def hear(words):
    global heard
    while words not in heard:
        heard += os.read(terminal, 1000)
hear(b"ready")
os.kill(pid, signal.SIGINT)
hear(b"interrupt 1")
os.write(terminal, b"\x03")
hear(b"interrupt 2")
os.kill(pid, signal.SIGTERM)
hear(b"ended after")
print(heard.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn on_a_terminal_each_interrupt_arrives_once() {
    let stage = Stage::new();
    let script = "n=0; trap 'n=$((n+1)); echo interrupt $n' INT; trap 'echo ended after $n; exit 9' TERM; echo ready; \
                  while :; do sleep 0.05; done";
    let run_command = stage.run(&[], &["sh", "-c", script]);
    let mut terminal = Command::new("python3");
    terminal.args(["-c", TERMINAL]).arg(run_command.get_program()).args(run_command.get_args());
    terminal.current_dir(stage.folder.path());
    for (name, value) in run_command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let done = run(&mut terminal);
    assert_eq!(done.status.code(), Some(9), "{done}");
    assert!(done.text().contains("ended after 2"), "{done}");
}

#[test]
fn the_command_keeps_its_limit_on_open_files() {
    let stage = Stage::new();
    let script = "ulimit -Sn; awk '/open files/ {print $4, $5}' /proc/$PPID/limits";
    let run_command = stage.run(&["--quiet"], &["sh", "-c", script]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -Sn 300; ulimit -Hn 700; exec \"$@\"", "sh"]);
    limited.arg(run_command.get_program()).args(run_command.get_args()).current_dir(stage.folder.path());
    let done = run(&mut limited).success();
    assert_eq!(done.text(), "300\n700 700\n", "{done}");
}

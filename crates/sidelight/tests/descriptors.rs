//! When there are more clients than files that may be opened. In: the real program with a low limit, and a crowd.
//! Out: the person is told once, and the clients that waited are served when others have left.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn the_person_is_told_once_that_clients_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Command::new("sh")
        .args(["-c", "ulimit -Sn 64; ulimit -Hn 64; exec \"$@\"", "sh", PROGRAM])
        .args(["proxy", "--json", "--ephemeral-ca", "--mode", "explicit@127.0.0.1:0"])
        .env("HOME", folder.path())
        .env_remove("XDG_STATE_HOME")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reports = BufReader::new(proxy.stdout.take().unwrap()).lines();
    let listening: serde_json::Value = serde_json::from_str(&reports.next().unwrap().unwrap()).unwrap();
    let address: SocketAddr = listening["address"].as_str().unwrap().parse().unwrap();
    let reader = std::thread::spawn(move || reports.map_while(Result::ok).count());

    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut words = BufReader::new(proxy.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("clients wait to be accepted") {
        assert_ne!(words.read_line(&mut said).unwrap(), 0, "it ended: {said}");
    }
    drop(crowd);
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.write_all(b"GET /ca.pem HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    kill_process(Pid::from_raw(proxy.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    words.read_to_string(&mut said).unwrap();
    assert!(proxy.wait().unwrap().success());
    reader.join().unwrap();
    assert_eq!(said.matches("clients wait to be accepted").count(), 1, "{said}");
    assert!(said.contains("ulimit -n"), "{said}");
}

//! What tshark, capinfos and mergecap say of a capture. In: a pcapng file that the program wrote. Out: fields, bodies, faults.

#![allow(dead_code)] // each test program uses a part of it

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sidelight_testkit::process::run_within;

/// tshark reads hundreds of megabytes on machines that do other things as well.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service leg's interface, which is the second.
pub(crate) const SERVICES: &str = "frame.interface_id == 1";

/// A capture, and the port on which its origin speaks TLS.
pub(crate) struct Capture {
    pub(crate) file: PathBuf,
    port: u16,
    /// A protocol that is not dissected.
    without: &'static str,
}

impl Capture {
    pub(crate) fn new(file: impl Into<PathBuf>, port: u16) -> Self {
        Self { file: file.into(), port, without: "" }
    }

    /// Does not dissect `protocol`: the peers of the tests may not keep to it.
    pub(crate) fn without(mut self, protocol: &'static str) -> Self {
        self.without = protocol;
        self
    }

    pub(crate) fn tshark(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file);
        // The ports of tests are not known to be TLS; the captures themselves need no setting.
        command.args(["-d", &format!("tcp.port=={},tls", self.port)]).args(arguments);
        if !self.without.is_empty() {
            command.args(["--disable-protocol", self.without]);
        }
        run_within(&mut command, PATIENCE).success().text()
    }

    /// Fields of the packets that `filter` lets through, a line each.
    pub(crate) fn fields(&self, filter: &str, names: &[&str]) -> Vec<String> {
        let mut arguments = vec!["-Y", filter, "-T", "fields"];
        names.iter().for_each(|name| arguments.extend(["-e", name]));
        self.tshark(&arguments).lines().map(str::to_owned).collect()
    }

    /// Neither a packet that cannot be dissected nor anything odd about the TCP connections; the other tools can read it, too.
    pub(crate) fn is_sound(&self) {
        self.is_dissected();
        let odd = self.fields("tcp.analysis.flags", &["frame.number", "_ws.col.Info"]);
        assert_eq!(odd, Vec::<String>::new());
        let merged = self.file.with_extension("merged");
        let mut command = Command::new("mergecap");
        command.arg("-w").arg(&merged).arg(&self.file);
        run_within(&mut command, PATIENCE).success();
        let mut command = Command::new("capinfos");
        command.args(["-M", "-c"]).arg(&merged);
        run_within(&mut command, PATIENCE).success();
        std::fs::remove_file(merged).expect("the merged capture is there");
    }

    /// No packet that cannot be dissected.
    pub(crate) fn is_dissected(&self) {
        let wrong = self.fields("_ws.malformed", &["frame.number", "frame.interface_id", "_ws.col.Info"]);
        assert_eq!(wrong, Vec::<String>::new(), "{}", self.tshark(&[]));
    }

    /// The bodies of all HTTP/1 responses, put together by tshark.
    pub(crate) fn http1_bodies(&self) -> Vec<Vec<u8>> {
        let folder = self.file.with_extension("objects");
        self.tshark(&["-q", "--export-objects", &format!("http,{}", folder.display())]);
        let files = std::fs::read_dir(&folder).expect("tshark's objects");
        files.map(|file| std::fs::read(file.expect("an object").path()).expect("an object")).collect()
    }

    /// The content of the DATA frames that a service sent on the first HTTP/2 stream with content, for each connection with HTTP/2.
    pub(crate) fn http2_bodies(&self) -> Vec<Vec<u8>> {
        let mut connections = self.fields("http2.headers.status", &["tcp.stream", "http2.streamid"]);
        connections.sort();
        connections.dedup();
        let follow = |line: &String| {
            let (connection, streams) = line.split_once('\t').expect("two fields");
            let stream = streams.split(',').rfind(|stream| *stream != "0").expect("a stream");
            let text = self.tshark(&["-q", "-z", &format!("follow,http2,raw,{connection},{stream}")]);
            let lines = text.lines().filter_map(|line| line.strip_prefix('\t')).filter(is_hex);
            lines.filter_map(|line| data(&bytes(line))).flatten().collect()
        };
        connections.iter().map(follow).collect()
    }
}

fn is_hex(line: &&str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hex digits")).collect()
}

/// The content of a DATA frame (RFC 9113 §4.1); fields are told without their frame.
fn data(frame: &[u8]) -> Option<Vec<u8>> {
    let [a, b, c, 0, flags, _, _, _, _, content @ ..] = frame else { return None };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    (length == content.len() && flags & 8 == 0).then(|| content.to_vec())
}

/// The options for a capture in `folder`.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("a path in UTF-8").to_owned()
}

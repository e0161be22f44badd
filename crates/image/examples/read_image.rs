//! Reads one source and says what that took. In: a source, and places of engines. Out: one line of JSON: the outcome, counts,
//! bytes, milliseconds, the peak of memory in kB. Measurements and the test of hostile archives use it.
//!
//! `read_image SOURCE [--trust] [--unverified] [--keep] [--docker-root DIR] [--storage-root DIR] [--containerd-root DIR] [--docker-host URL]`

use std::process::ExitCode;
use std::time::Instant;

use sidelight_image::trust::TrustWatch;
use sidelight_image::{Head, Options, Watch, open};

/// Feeds on everything; keeps the names of files, or nothing.
struct PassThrough {
    keep: bool,
    files: u64,
    bytes: u64,
}

impl Watch for PassThrough {
    type Found = ();
    type Open = ();

    fn open(&mut self, _head: &Head<'_>) -> Option<()> {
        self.files += 1;
        Some(())
    }

    fn feed(&mut self, (): &mut (), bytes: &[u8]) -> bool {
        self.bytes += bytes.len() as u64;
        true
    }

    fn close(&mut self, (): (), _whole: bool) -> Option<()> {
        self.keep.then_some(())
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut options = Options::default();
    let mut source = None;
    let mut trust = None;
    let mut watch = PassThrough { keep: false, files: 0, bytes: 0 };
    while let Some(arg) = args.next() {
        let mut value = || args.next().expect("a value follows the option");
        match arg.as_str() {
            "--unverified" => options.verify = false,
            "--trust" => trust = Some(TrustWatch::new()),
            "--keep" => watch.keep = true,
            "--docker-root" => options.engines.docker_roots = vec![value().into()],
            "--storage-root" => options.engines.storage_roots = vec![value().into()],
            "--containerd-root" => options.engines.containerd_roots = vec![value().into()],
            "--docker-host" => options.engines.docker_host = Some(value()),
            _ => source = Some(arg),
        }
    }
    let source = source.expect("a source").parse().expect("a source that can be meant");
    let began = Instant::now();
    // What is told of either reading: files kept, files hidden, links, notes.
    let outcome = open(&source, &options).and_then(|mut opened| match &mut trust {
        Some(trust) => opened.collect(trust).map(|all| (all.files.len(), all.hidden.len(), all.links.len(), all.notes)),
        None => opened.collect(&mut watch).map(|all| (all.files.len(), all.hidden.len(), all.links.len(), all.notes)),
    });
    let milliseconds = began.elapsed().as_millis();
    let error = outcome.as_ref().err().map(ToString::to_string);
    let (kept, hidden, links, notes) = outcome.as_ref().ok().cloned().unwrap_or_default();
    let line = serde_json::json!({
        "error": error, "files": watch.files, "bytes": watch.bytes, "kept": kept, "hidden": hidden, "links": links,
        "notes": notes, "milliseconds": u64::try_from(milliseconds).unwrap_or(u64::MAX), "peak_kb": peak(),
    });
    println!("{line}");
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory that this process has had resident, in kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

//! What an event costs in memory. In: an event. Out: bytes, its own and those that it points to.

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Authority, EventKind, Hello, Host, How, KeyLogLine, TlsSide};

/// What every event costs besides what it points to: its place in the queue, and what the allocator adds.
pub(super) const PER_EVENT: usize = 160;

/// A `Vec` or `String` inside another.
const HEAD: usize = size_of::<Vec<u8>>();

/// Bytes that `kind` keeps as long as it is in the queue.
pub(super) fn weight(kind: &EventKind) -> usize {
    PER_EVENT + heap(kind)
}

fn heap(kind: &EventKind) -> usize {
    match kind {
        EventKind::Data(_, bytes) | EventKind::Wire(_, _, bytes) => bytes.len(),
        EventKind::Process(process) => {
            process.name.len() + length(process.exe.as_ref()) + length(process.container.as_ref())
        }
        EventKind::Hello(it) => hello(it),
        EventKind::Target(Authority { host: Host::Name(name), .. }) => name.len(),
        EventKind::Decided(decision) => decision.because.len(),
        EventKind::ServerTls(side) | EventKind::ClientTls(side) => tls(side),
        EventKind::Secret(_, line) => size_of::<KeyLogLine>() + line.label.len() + line.secret.reveal().len(),
        EventKind::Finding(it) => finding(it),
        EventKind::Closed(closed) => match &closed.how {
            How::ClientCut(words) | How::ServerCut(words) | How::Ended(words) => words.len(),
            How::Clean | How::Failed => 0,
        },
        // The mode of a listener is shared by all its connections.
        EventKind::Opened(_) | EventKind::NoProcess | EventKind::Target(_) | EventKind::Upstream(_) => 0,
        EventKind::Lost(..) | EventKind::HalfClosed(_) | EventKind::Socket(..) => 0,
        EventKind::WireLost(..) | EventKind::WireEnd(..) | EventKind::Shed(_) => 0,
    }
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn hello(hello: &Hello) -> usize {
    let alpn: usize = hello.alpn.iter().map(|name| HEAD + name.len()).sum();
    size_of::<Hello>()
        + length(hello.sni.as_ref())
        + alpn
        + size_of::<u16>() * hello.versions.len()
        + hello.ja3.len()
        + hello.ja3_text.len()
        + hello.ja4.len()
}

fn tls(side: &TlsSide) -> usize {
    let chain: usize = side.chain.iter().map(|certificate| HEAD + certificate.len()).sum();
    let verified = side.verified.as_ref().and_then(|verified| verified.as_ref().err());
    size_of::<TlsSide>()
        + side.cipher.len()
        + length(side.group.as_ref())
        + side.alpn.as_ref().map_or(0, Vec::len)
        + length(side.sni.as_ref())
        + side.hello.as_deref().map_or(0, hello)
        + chain
        + length(verified)
}

fn finding(finding: &Finding) -> usize {
    let evidence = finding.evidence().iter().map(|it| 3 * HEAD + it.what.len() + it.place.len() + it.value.len());
    let fixes = finding.fixes.iter().map(|fix| 2 * HEAD + fix.action.len() + fix.how.len());
    let warnings = finding.warnings.iter().map(|warning| HEAD + warning.len());
    size_of::<Finding>() + finding.summary.len() + evidence.chain(fixes).chain(warnings).sum::<usize>()
}

//! The watcher for upgrades to TLS. In: a conversation as turns. Out: broken promises.

use sidelight_wire::greeting;
use sidelight_wire::starttls::client::{Dialogue, Next, Protocol};
use sidelight_wire::starttls::{Watch, Watcher};

use super::{Turn, turns};

/// Where the conversation led, in bytes of its direction.
#[derive(Debug, PartialEq, Eq)]
enum Led {
    Nowhere,
    Never,
    Upgrade(&'static str, bool, usize),
}

/// The same upgrade at the same byte, whether turns come in one piece or byte by byte; a `plain` within its slice.
pub fn starttls(data: &[u8]) {
    let turns = turns(data);
    let whole = lead(&turns, usize::MAX);
    assert_eq!(whole, lead(&turns, 1), "the result depends on how the bytes were cut");
    assert_eq!(whole, lead(&turns, 5), "the result depends on how the bytes were cut");
}

fn lead(turns: &[Turn<'_>], piece: usize) -> (Option<usize>, Led) {
    let mut watcher = Watcher::new();
    let mut before = [0; 2];
    let mut early = None;
    for (from_server, bytes) in turns {
        for slice in bytes.chunks(piece) {
            let before = &mut before[usize::from(*from_server)];
            match if *from_server { watcher.from_server(slice) } else { watcher.from_client(slice) } {
                Watch::Going => {}
                Watch::Early { plain } => {
                    assert!(!from_server && plain < slice.len() && early.is_none());
                    early = Some(*before + plain);
                }
                Watch::Upgrade { protocol, plain } => {
                    assert!(plain > 0 && plain <= slice.len());
                    assert_eq!(watcher.from_client(b"\x16"), Watch::Never);
                    return (early, Led::Upgrade(protocol, *from_server, *before + plain));
                }
                Watch::Never => return (early, Led::Never),
            }
            *before += slice.len();
        }
    }
    (early, Led::Nowhere)
}

/// The client's side, with a server that says anything: it ends in TLS or a refusal within bounds. The first byte chooses the protocol.
pub fn dialogue(data: &[u8]) {
    let Some((choice, said)) = data.split_first() else { return };
    let _ = greeting::name(said);
    for piece in [1, 7, usize::MAX] {
        let (mut dialogue, first) = Dialogue::new(Protocol::ALL[usize::from(*choice) % Protocol::ALL.len()], "a.test");
        assert!(first.len() < 1024);
        // What follows is endless.
        let endless = std::iter::repeat_n(&[b'2'; 1024][..], 65);
        let ends = said.chunks(piece).chain(endless).any(|bytes| match dialogue.heard(bytes) {
            Next::Wait => false,
            Next::Send(bytes) => bytes.len() > 4096,
            Next::Begin(_) | Next::Refused(_) => true,
        });
        assert!(ends, "it listens for ever");
    }
}

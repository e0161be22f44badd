//! Packets. In: pcap or pcapng, key logs. Out: the events of the TCP connections in it, as if sidelight had been between.
//! Spec: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
//!
//! Secrets are gathered from the whole file first, where it can be read twice: captures may hold them behind the packets that
//! they decrypt. What sidelight has written itself is recognised by its comments, and its two legs become one connection again.

mod conversation;
mod layers;
mod own;
mod preamble;
mod source;
mod table;
mod verdict;

use std::fs;
use std::io::BufRead;

use sidelight_wire::key_log;
use sidelight_wire::pcapng::{Item, Reader, Step, TLS_KEY_LOG};
use sidelight_wire::tls::decrypt::Secrets;

use self::source::Source;
use super::input::Input;
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};

/// Longest key log that is read.
const MOST_KEY_LOG: u64 = 512 << 20;

/// Bytes that are looked at at a time.
const LOOK: usize = 4096;

/// Whether a file that begins with these bytes is a classic pcap: microseconds or nanoseconds, either byte order.
pub(super) fn is_pcap(head: &[u8]) -> bool {
    Reader::recognises(head) == Some(false)
}

/// Whether a file that begins with these bytes is a pcapng.
pub(super) fn is_pcapng(head: &[u8]) -> bool {
    Reader::recognises(head) == Some(true)
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    options: &ImportOptions,
    out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let file = input.file().to_owned();
    let head = input.peek(Reader::MAGIC).map_err(|source| ImportError::Unreadable { file: file.clone(), source })?;
    let format = if is_pcapng(head) { Format::Pcapng } else { Format::Pcap };
    let mut damage = Vec::new();
    let mut secrets = key_logs(options, &mut damage)?;
    if let Some(mut again) = input.again() {
        gather(&mut again, &mut secrets);
    }
    let mut source = Source::new(input, secrets, out.connection());
    out.events(&mut source);
    if let Some((offset, what)) = source.unreadable() {
        return Err(ImportError::Malformed { file, format, offset, what });
    }
    damage.extend(source.damage());
    Ok(damage)
}

/// Reads the key logs that were given; bad lines are damage.
fn key_logs(options: &ImportOptions, damage: &mut Vec<Damage>) -> Result<Secrets, ImportError> {
    let mut secrets = Secrets::new();
    for path in &options.key_logs {
        let unreadable = |source| ImportError::Unreadable { file: path.display().to_string(), source };
        if fs::metadata(path).map_err(unreadable)?.len() > MOST_KEY_LOG {
            return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
        }
        let text = fs::read(path).map_err(unreadable)?;
        let mut wrong = Vec::new();
        for (number, line) in key_log::read(&text) {
            match line {
                Ok(line) => secrets.add(&line),
                Err(why) => wrong.push((number, why)),
            }
        }
        if let Some((number, why)) = wrong.first() {
            let more = wrong.len() - 1;
            let rest = if more > 0 { format!(", and {more} further lines like it") } else { String::new() };
            damage.push(Damage::new(0, format!("line {number} of {} is passed over: {why}{rest}", path.display())));
        }
    }
    Ok(secrets)
}

/// Takes in the secrets that lie in the capture itself.
fn gather(input: &mut Input<'_>, secrets: &mut Secrets) {
    let (mut reader, mut want) = (Reader::new(), LOOK);
    while let Ok(bytes) = input.peek(want) {
        let there = bytes.len();
        let used = match reader.step(bytes) {
            Step::Need(more) if more > there && there == want => {
                want = more;
                continue;
            }
            Step::Need(_) | Step::Lost(_) => return,
            Step::Item(used, Item::Secrets(TLS_KEY_LOG, text)) => {
                learn(text, secrets);
                used
            }
            Step::Item(used, _) | Step::Damage(used, _) => used,
        };
        input.consume(used);
        want = LOOK;
    }
}

/// Takes in the lines of a key log that lies in a capture; bad ones decrypt nothing.
fn learn(text: &[u8], secrets: &mut Secrets) {
    key_log::read(text).filter_map(|(_, line)| line.ok()).for_each(|line| secrets.add(&line));
}

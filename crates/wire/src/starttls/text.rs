//! Protocols of lines: SMTP, LMTP, FTP, NNTP, POP3, IMAP, ManageSieve. In: bytes. Out: the end of the reply that agrees to TLS.
//! Spec: see the module above, and RFC 2920 (commands sent without waiting for the replies before).

use std::collections::VecDeque;

use super::{CLIENT_HELLO, Side, Step};

/// Most lines of a direction that are watched.
const MAX_LINES: usize = 200;

/// Bytes of a line that are looked at; the words that matter stand at its beginning.
const KEPT: usize = 256;

/// Most commands that may wait for their replies.
const MAX_PENDING: usize = 64;

/// The family of a protocol, by the server's greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Greets with 220; the client's commands tell which.
    SmtpOrFtp,
    Nntp,
    Pop3,
    Imap,
    ManageSieve,
}

/// A command that waits for its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pending {
    /// A request for TLS, in this protocol.
    Upgrade(&'static str),
    /// A positive reply to it is followed by lines up to a single dot.
    Listing,
    Other,
}

/// How far the reply of the server is.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// The next line begins one.
    None,
    /// `250-…`: it goes on until `250 …`.
    Code([u8; 3]),
    /// It goes on until a line with a single dot.
    Dot,
}

#[derive(Debug)]
pub(super) struct Conversation {
    dialect: Dialect,
    client: Lines,
    server: Lines,
    greeted: bool,
    lmtp: bool,
    pending: VecDeque<Pending>,
    /// IMAP: the tag of the request for TLS. Replies bear the tag of their command, so nothing needs to be counted.
    tag: Option<Vec<u8>>,
    reply: Reply,
    /// The client did not wait: its ClientHello is there already.
    early: bool,
}

impl Conversation {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            client: Lines::default(),
            server: Lines::default(),
            greeted: false,
            lmtp: false,
            pending: VecDeque::new(),
            tag: None,
            reply: Reply::None,
            early: false,
        }
    }

    pub(super) fn step(&mut self, side: Side, byte: u8) -> Step {
        let lines = match side {
            Side::Server => &mut self.server,
            Side::Client if self.early => return Step::Going,
            Side::Client if byte == CLIENT_HELLO && self.client.kept.is_empty() && self.asked() => {
                self.early = true;
                return Step::Early;
            }
            Side::Client => &mut self.client,
        };
        let Some(line) = lines.push(byte) else { return Step::Going };
        if lines.count > MAX_LINES {
            return Step::Never;
        }
        match (side, self.dialect) {
            (Side::Client, _) => self.command(&line),
            (Side::Server, Dialect::SmtpOrFtp | Dialect::Nntp) => self.coded_reply(&line),
            (Side::Server, Dialect::Pop3) => self.pop3_reply(&line),
            (Side::Server, Dialect::Imap) => self.imap_reply(&line),
            (Side::Server, Dialect::ManageSieve) => self.sieve_reply(&line),
        }
    }

    /// Whether the client's last command asked for TLS, and the answer is still to come.
    fn asked(&self) -> bool {
        self.tag.is_some() || matches!(self.pending.back(), Some(Pending::Upgrade(_)))
    }

    fn command(&mut self, line: &[u8]) -> Step {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let second = words.next();
        let verb = first.to_ascii_uppercase();
        if self.dialect == Dialect::Imap {
            if second.is_some_and(|verb| verb.eq_ignore_ascii_case(b"STARTTLS")) {
                self.tag = Some(first.to_vec());
            }
            return Step::Going;
        }
        let argument = second.map(<[u8]>::to_ascii_uppercase);
        let pending = match (self.dialect, verb.as_slice(), argument.as_deref()) {
            (Dialect::SmtpOrFtp, b"STARTTLS", None) => Pending::Upgrade(if self.lmtp { "lmtp" } else { "smtp" }),
            (Dialect::SmtpOrFtp, b"AUTH", Some(b"TLS" | b"TLS-C" | b"SSL" | b"TLS-P")) => Pending::Upgrade("ftp"),
            // From here on lines are mail, not commands.
            (Dialect::SmtpOrFtp, b"DATA" | b"BDAT", _) => return Step::Never,
            (Dialect::Nntp, b"STARTTLS", None) => Pending::Upgrade("nntp"),
            (Dialect::ManageSieve, b"STARTTLS", None) => Pending::Upgrade("managesieve"),
            (Dialect::Pop3, b"STLS", None) => Pending::Upgrade("pop3"),
            (Dialect::Pop3, b"CAPA" | b"LIST" | b"UIDL" | b"AUTH", None) => Pending::Listing,
            (Dialect::Pop3, b"RETR" | b"TOP", _) => Pending::Listing,
            _ => Pending::Other,
        };
        self.lmtp |= self.dialect == Dialect::SmtpOrFtp && verb == b"LHLO";
        if self.pending.len() == MAX_PENDING {
            return Step::Never;
        }
        self.pending.push_back(pending);
        Step::Going
    }

    /// Takes the command that a complete reply belongs to; the first reply is the greeting and belongs to none.
    fn answered(&mut self) -> Pending {
        if self.greeted {
            self.pending.pop_front().unwrap_or(Pending::Other)
        } else {
            self.greeted = true;
            Pending::Other
        }
    }

    /// What a reply to a request for TLS leads to.
    fn settle(&mut self, protocol: &'static str, agreed: bool) -> Step {
        match (agreed, self.early) {
            (true, _) => Step::Upgrade(protocol),
            (false, true) => Step::Never,
            (false, false) => Step::Going,
        }
    }

    fn coded_reply(&mut self, line: &[u8]) -> Step {
        let Some(code) = line.first_chunk::<3>().copied() else {
            if self.reply == Reply::Dot && line == b"." {
                self.reply = Reply::None;
            }
            return Step::Going;
        };
        let more = line.get(3) == Some(&b'-');
        match self.reply {
            Reply::Dot => return Step::Going,
            Reply::Code(open) if open != code || more => return Step::Going,
            Reply::None if !code.iter().all(u8::is_ascii_digit) => return Step::Never,
            Reply::None if more => {
                self.reply = Reply::Code(code);
                return Step::Going;
            }
            Reply::None | Reply::Code(_) => self.reply = Reply::None,
        }
        if self.dialect == Dialect::Nntp {
            if matches!(&code, b"100" | b"101" | b"215" | b"220" | b"221" | b"222" | b"224" | b"225" | b"230" | b"231")
            {
                self.reply = Reply::Dot;
            }
        } else if code[0] == b'1' {
            // FTP: the transfer begins; the reply to the command comes at its end.
            return Step::Going;
        }
        match self.answered() {
            Pending::Upgrade(protocol) => {
                let agreed: &[u8; 3] = match protocol {
                    "ftp" => b"234",
                    "nntp" => b"382",
                    _ => b"220",
                };
                self.settle(protocol, code == *agreed)
            }
            Pending::Listing | Pending::Other => Step::Going,
        }
    }

    fn pop3_reply(&mut self, line: &[u8]) -> Step {
        if self.reply == Reply::Dot {
            if line == b"." {
                self.reply = Reply::None;
            }
            return Step::Going;
        }
        let positive = line.starts_with(b"+OK");
        // `+ ` asks for more of an authentication: it answers one line of the client, as the others do.
        if !positive && !line.starts_with(b"-ERR") && !line.starts_with(b"+") {
            return Step::Never;
        }
        match self.answered() {
            Pending::Upgrade(protocol) => self.settle(protocol, positive),
            Pending::Listing => {
                if positive {
                    self.reply = Reply::Dot;
                }
                Step::Going
            }
            Pending::Other => Step::Going,
        }
    }

    fn imap_reply(&mut self, line: &[u8]) -> Step {
        let mut words = line.split(|byte| *byte == b' ');
        if self.tag.is_none() || words.next() != self.tag.as_deref() {
            return Step::Going;
        }
        self.tag = None;
        self.settle("imap", words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"OK")))
    }

    fn sieve_reply(&mut self, line: &[u8]) -> Step {
        let word =
            line.split(|byte| matches!(byte, b' ' | b'(' | b'"')).next().unwrap_or_default().to_ascii_uppercase();
        if !matches!(word.as_slice(), b"OK" | b"NO" | b"BYE") {
            return Step::Going;
        }
        match self.answered() {
            Pending::Upgrade(protocol) => self.settle(protocol, word == b"OK"),
            Pending::Listing | Pending::Other => Step::Going,
        }
    }
}

/// Cuts a direction into lines.
#[derive(Debug, Default)]
struct Lines {
    kept: Vec<u8>,
    count: usize,
}

impl Lines {
    /// The line that `byte` ends, without its line ending and no longer than [`KEPT`].
    fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte != b'\n' {
            if self.kept.len() < KEPT {
                self.kept.push(byte);
            }
            return None;
        }
        self.count += 1;
        let mut line = std::mem::take(&mut self.kept);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}

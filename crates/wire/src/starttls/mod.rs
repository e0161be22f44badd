//! Finds the moment at which a plain conversation turns into TLS. In: the bytes of both directions, as they pass. Out: where TLS begins.
//!
//! Spec: RFC 3207 (SMTP, LMTP), RFC 9051 §6.2.1 (IMAP), RFC 2595 §4 (POP3), RFC 4217 (FTP), RFC 4511 §4.14 (LDAP), RFC 6120 §5
//! (XMPP), RFC 4642 (NNTP), RFC 5804 §2.2 (ManageSieve), the protocol chapters of the PostgreSQL and MySQL manuals.
//!
//! A watcher holds nothing back and changes nothing: bytes are forwarded as they come. It only counts. Plain bytes that a client
//! smuggles in behind its request, hoping that the server takes them for protected ones, are the server's affair: they pass as
//! they came, before the upgrade.

pub mod client;
mod ldap;
mod mysql;
mod postgres;
mod text;
mod xmpp;

/// Most bytes of a direction that are watched. Every protocol here upgrades in its first exchanges.
const MAX_BYTES: usize = 64 * 1024;

/// How many bytes of a server's greeting tell its protocol.
const GREETING: usize = 5;

/// First byte of a TLS handshake record. None of the protocols here has it where a command begins.
const CLIENT_HELLO: u8 = 0x16;

/// What a watcher says about the slice that it was just given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Nothing to do: forward it, and go on watching.
    Going,
    /// After the first `plain` bytes of this slice (of the direction given) the plain part of the connection is over. The
    /// client's next byte begins a ClientHello, and the server's next byte answers it.
    Upgrade {
        /// `smtp`, `postgres` …
        protocol: &'static str,
        /// Bytes of the slice that are still plain; all those of the other direction are.
        plain: usize,
    },
    /// Only from the client: after `plain` bytes of this slice its ClientHello begins, although the server has not agreed yet.
    /// Forward those, keep the others; a later slice of the server gives [`Watch::Upgrade`] when it agrees, or
    /// [`Watch::Never`] when it does not (then the kept bytes are to be forwarded as they are).
    Early {
        /// Bytes of the slice that are still plain.
        plain: usize,
    },
    /// There will be no upgrade that could be seen: stop watching.
    Never,
}

/// Watches one connection from its first byte.
#[derive(Debug)]
pub struct Watcher {
    state: State,
    /// Bytes seen so far, by direction.
    seen: [usize; 2],
}

#[derive(Debug)]
enum State {
    /// The first bytes of the server, too few to tell.
    Unknown(Vec<u8>),
    Known(Protocol),
    Over,
}

#[derive(Debug)]
enum Protocol {
    Text(text::Conversation),
    Xmpp(xmpp::Conversation),
    Ldap(ldap::Conversation),
    Postgres(postgres::Conversation),
    Mysql(mysql::Conversation),
}

/// What one more byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Going,
    /// TLS begins behind this byte.
    Upgrade(&'static str),
    /// This byte of the client begins a ClientHello.
    Early,
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher {
    /// A watcher for a connection on which nothing was said yet.
    pub const fn new() -> Self {
        Self { state: State::Unknown(Vec::new()), seen: [0; 2] }
    }

    /// The client sent `bytes`. To be called in the order in which bytes pass, also in relation to [`Watcher::from_server`].
    pub fn from_client(&mut self, bytes: &[u8]) -> Watch {
        self.watch(Side::Client, bytes)
    }

    /// The server sent `bytes`.
    pub fn from_server(&mut self, bytes: &[u8]) -> Watch {
        self.watch(Side::Server, bytes)
    }

    fn watch(&mut self, side: Side, bytes: &[u8]) -> Watch {
        for (index, byte) in bytes.iter().enumerate() {
            match self.step(side, *byte) {
                Step::Going => {}
                Step::Upgrade(protocol) => {
                    self.state = State::Over;
                    return Watch::Upgrade { protocol, plain: index + 1 };
                }
                Step::Early => return Watch::Early { plain: index },
                Step::Never => {
                    self.state = State::Over;
                    return Watch::Never;
                }
            }
        }
        if matches!(self.state, State::Over) { Watch::Never } else { Watch::Going }
    }

    fn step(&mut self, side: Side, byte: u8) -> Step {
        let seen = &mut self.seen[usize::from(side == Side::Server)];
        *seen += 1;
        if *seen > MAX_BYTES {
            return Step::Never;
        }
        match &mut self.state {
            State::Over => Step::Never,
            State::Known(protocol) => protocol.step(side, byte),
            State::Unknown(greeting) => {
                let known = if side == Side::Client {
                    // A client that speaks while the greeting is under way does not wait for it, or waits for something else.
                    if greeting.is_empty() { Protocol::of_client(byte) } else { None }
                } else {
                    greeting.push(byte);
                    if greeting.len() < GREETING {
                        return Step::Going;
                    }
                    Protocol::of_greeting(greeting)
                };
                let Some(mut protocol) = known else { return Step::Never };
                let step = match side {
                    Side::Client => protocol.step(side, byte),
                    // No greeting is complete, let alone followed by an upgrade, within so few bytes.
                    Side::Server => greeting.iter().fold(Step::Going, |_, byte| protocol.step(side, *byte)),
                };
                self.state = State::Known(protocol);
                step
            }
        }
    }
}

impl Protocol {
    /// The protocol of a client that speaks first. Of a client that begins with TLS at once the caller knows already.
    fn of_client(first: u8) -> Option<Self> {
        match first {
            0x00 => Some(Self::Postgres(postgres::Conversation::default())),
            0x30 => Some(Self::Ldap(ldap::Conversation::default())),
            b'<' => Some(Self::Xmpp(xmpp::Conversation::default())),
            _ => None,
        }
    }

    /// The protocol of a server that speaks first, by [`GREETING`] bytes of it.
    fn of_greeting(greeting: &[u8]) -> Option<Self> {
        let text = |dialect| Some(Self::Text(text::Conversation::new(dialect)));
        match greeting {
            [b'2', b'2', b'0', b' ' | b'-' | b'\r', ..] => text(text::Dialect::SmtpOrFtp),
            [b'2', b'0', b'0' | b'1', b' ' | b'\r', ..] => text(text::Dialect::Nntp),
            [b'+', b'O', b'K', ..] => text(text::Dialect::Pop3),
            [b'*', b' ', ..] => text(text::Dialect::Imap),
            [b'"', ..] => text(text::Dialect::ManageSieve),
            [_, _, 0, 0, 10] => Some(Self::Mysql(mysql::Conversation::default())),
            _ => None,
        }
    }

    fn step(&mut self, side: Side, byte: u8) -> Step {
        match self {
            Self::Text(conversation) => conversation.step(side, byte),
            Self::Xmpp(conversation) => conversation.step(side, byte),
            Self::Ldap(conversation) => conversation.step(side, byte),
            Self::Postgres(conversation) => conversation.step(side, byte),
            Self::Mysql(conversation) => conversation.step(side, byte),
        }
    }
}

#[cfg(test)]
mod tests;

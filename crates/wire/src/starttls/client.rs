//! The client's side of a dialogue that ends in TLS. In: what the server says. Out: what to say, until TLS begins or is refused.
//!
//! Spec: as for the watcher beside it. Nothing here reads or writes: the caller sends what it is given.

use std::fmt;
use std::str::FromStr;

/// Bytes of a server that are read before TLS; greetings are shorter.
const MAX_BYTES: usize = 64 * 1024;

/// A protocol that turns into TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP, also for submission.
    Smtp,
    /// LMTP.
    Lmtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// FTP (AUTH TLS).
    Ftp,
    /// NNTP.
    Nntp,
    /// ManageSieve.
    Sieve,
    /// LDAP.
    Ldap,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// XMPP between client and server.
    Xmpp,
    /// XMPP between servers.
    XmppServer,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &'static [Self] = &[
        Self::Smtp,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::Ftp,
        Self::Nntp,
        Self::Sieve,
        Self::Ldap,
        Self::Postgres,
        Self::Mysql,
        Self::Xmpp,
        Self::XmppServer,
    ];

    /// Its name, as `--starttls` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Nntp => "nntp",
            Self::Sieve => "sieve",
            Self::Ldap => "ldap",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Xmpp => "xmpp",
            Self::XmppServer => "xmpp-server",
        }
    }

    /// The port on which it is spoken.
    pub const fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Lmtp => 24,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Ftp => 21,
            Self::Nntp => 119,
            Self::Sieve => 4190,
            Self::Ldap => 389,
            Self::Postgres => 5432,
            Self::Mysql => 3306,
            Self::Xmpp => 5222,
            Self::XmppServer => 5269,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = match text.to_ascii_lowercase().as_str() {
            "postgresql" => "postgres".to_owned(),
            "mariadb" => "mysql".to_owned(),
            "submission" => "smtp".to_owned(),
            "managesieve" => "sieve".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.iter().copied().find(|protocol| protocol.name() == wanted).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|protocol| protocol.name()).collect();
            format!("`{text}` is no protocol with STARTTLS; they are {}", names.join(", "))
        })
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send these bytes, then read on.
    Send(Vec<u8>),
    /// Read on.
    Wait,
    /// TLS begins: the ClientHello is what the server expects next. These bytes are to be sent before it.
    Begin(Vec<u8>),
    /// The server does not agree; its words.
    Refused(String),
}

/// A dialogue under way.
#[derive(Clone, Debug)]
pub struct Dialogue {
    protocol: Protocol,
    host: String,
    step: usize,
    heard: Vec<u8>,
    total: usize,
}

const POSTGRES_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// ExtendedRequest 1.3.6.1.4.1.1466.20037 as message 1.
const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// CLIENT_SSL with protocol 4.1, secure connection and long passwords; packet 1; 16 MiB; utf8.
const MYSQL_REQUEST: [u8; 13] = [32, 0, 0, 1, 0x01, 0x8a, 0, 0, 0, 0, 0, 1, 33];

impl Dialogue {
    /// A dialogue with `host`, whose name some protocols want to hear, and what to say before the server speaks.
    pub fn new(protocol: Protocol, host: &str) -> (Self, Vec<u8>) {
        let first = match protocol {
            Protocol::Postgres => POSTGRES_REQUEST.to_vec(),
            Protocol::Ldap => LDAP_REQUEST.to_vec(),
            Protocol::Xmpp | Protocol::XmppServer => stream_start(protocol, host),
            _ => Vec::new(),
        };
        (Self { protocol, host: host.to_owned(), step: 0, heard: Vec::new(), total: 0 }, first)
    }

    /// The server said `bytes`.
    pub fn heard(&mut self, bytes: &[u8]) -> Next {
        self.heard.extend_from_slice(bytes);
        self.total += bytes.len();
        if self.total > MAX_BYTES {
            return Next::Refused("it talks on and on without agreeing to TLS".to_owned());
        }
        match self.protocol {
            Protocol::Postgres => self.postgres(),
            Protocol::Ldap => self.ldap(),
            Protocol::Mysql => self.mysql(),
            Protocol::Xmpp | Protocol::XmppServer => self.xmpp(),
            _ => self.lines(),
        }
    }

    fn postgres(&self) -> Next {
        match self.heard.first() {
            Some(b'S') => Next::Begin(Vec::new()),
            Some(b'N') => Next::Refused("it answers N to SSLRequest: TLS is switched off (`ssl = on`)".to_owned()),
            Some(_) => Next::Refused(shown(&self.heard)),
            None => Next::Wait,
        }
    }

    fn ldap(&self) -> Next {
        let Some([0x30, length, body @ ..]) = self.heard.get(..) else { return Next::Wait };
        if *length >= 0x80 || body.len() < usize::from(*length) {
            return if *length >= 0x84 { Next::Refused(shown(&self.heard)) } else { Next::Wait };
        }
        // Message 1, ExtendedResponse, its length, resultCode.
        match body {
            [2, 1, 1, 0x78, _, 10, 1, 0, ..] => Next::Begin(Vec::new()),
            [2, 1, 1, 0x78, _, 10, 1, code, ..] => Next::Refused(format!("it answers StartTLS with result {code}")),
            _ => Next::Refused(shown(&self.heard)),
        }
    }

    fn mysql(&self) -> Next {
        let Some(&[a, b, c, _]) = self.heard.first_chunk::<4>() else { return Next::Wait };
        let end = 4 + usize::from(a) + usize::from(b) * 256 + usize::from(c) * 65_536;
        let Some(greeting) = self.heard.get(4..end) else { return Next::Wait };
        let Some((&10, rest)) = greeting.split_first() else { return Next::Refused(shown(greeting)) };
        let version = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        // Version, its NUL, thread (4), first part of the scramble (8), filler (1), lower capabilities (2).
        let capabilities = rest.get(version + 14..version + 16).map(|low| u16::from_le_bytes([low[0], low[1]]));
        if capabilities.unwrap_or(0) & 0x0800 == 0 {
            return Next::Refused("its greeting does not offer TLS".to_owned());
        }
        let mut request = MYSQL_REQUEST.to_vec();
        request.resize(36, 0);
        Next::Begin(request)
    }

    fn xmpp(&mut self) -> Next {
        let text = String::from_utf8_lossy(&self.heard).into_owned();
        if text.contains("<proceed") {
            return if text.trim_end().ends_with('>') { Next::Begin(Vec::new()) } else { Next::Wait };
        }
        if text.contains("<failure") || text.contains("<stream:error") || text.contains("</stream:stream>") {
            return Next::Refused(shown(&self.heard));
        }
        if self.step == 0 && text.contains("</stream:features>") {
            self.step = 1;
            return Next::Send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_vec());
        }
        Next::Wait
    }

    fn lines(&mut self) -> Next {
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            match self.line(&line) {
                Next::Wait => {}
                next => return next,
            }
        }
        Next::Wait
    }

    /// One line of the server. Step 0 is the greeting, the last one the answer to the request for TLS.
    fn line(&mut self, line: &[u8]) -> Next {
        let say = |this: &mut Self, text: String| {
            this.step += 1;
            Next::Send(text.into_bytes())
        };
        let coded = |good: &[u8]| match line.get(3) {
            Some(b'-') => None,
            _ if line.starts_with(good) => Some(true),
            // A multi-line answer goes on with lines that have no code.
            _ if line.first().is_some_and(u8::is_ascii_digit) => Some(false),
            _ => None,
        };
        let refused = || Next::Refused(shown(line));
        let answer = match (self.protocol, self.step) {
            (Protocol::Smtp | Protocol::Lmtp | Protocol::Ftp, 0) => coded(b"220"),
            (Protocol::Smtp | Protocol::Lmtp, 1) => coded(b"250"),
            (Protocol::Smtp | Protocol::Lmtp, _) => coded(b"220"),
            (Protocol::Ftp, _) => coded(b"234"),
            (Protocol::Nntp, 0) => coded(b"20"),
            (Protocol::Nntp, _) => coded(b"382"),
            (Protocol::Pop3, _) => Some(line.starts_with(b"+OK")),
            (Protocol::Imap, 0) => Some(line.starts_with(b"* OK") || line.starts_with(b"* PREAUTH")),
            (Protocol::Imap, _) if line.starts_with(b"* ") => None,
            (Protocol::Imap, _) => Some(line.starts_with(b"a OK")),
            // Capabilities come in lines in quotes, then OK.
            (Protocol::Sieve, _) if line.starts_with(b"\"") => None,
            (Protocol::Sieve, _) => Some(line.starts_with(b"OK")),
            _ => Some(false),
        };
        let last = if matches!(self.protocol, Protocol::Smtp | Protocol::Lmtp) { 2 } else { 1 };
        match answer {
            None => Next::Wait,
            Some(false) => refused(),
            Some(true) if self.step == last => Next::Begin(Vec::new()),
            Some(true) => {
                let text = match (self.protocol, self.step) {
                    (Protocol::Smtp, 0) => "EHLO sidelight.invalid\r\n",
                    (Protocol::Lmtp, 0) => "LHLO sidelight.invalid\r\n",
                    (Protocol::Ftp, _) => "AUTH TLS\r\n",
                    (Protocol::Pop3, _) => "STLS\r\n",
                    (Protocol::Imap, _) => "a STARTTLS\r\n",
                    _ => "STARTTLS\r\n",
                };
                say(self, text.to_owned())
            }
        }
    }

    /// The name that the server was told.
    pub fn host(&self) -> &str {
        &self.host
    }
}

fn stream_start(protocol: Protocol, host: &str) -> Vec<u8> {
    let space = if protocol == Protocol::Xmpp { "jabber:client" } else { "jabber:server" };
    let host = host.replace(['<', '>', '&', '\'', '"'], "");
    format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='{space}' to='{host}' version='1.0'>"
    )
    .into_bytes()
}

/// What a server said, in one short line.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(160)]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speaks a script (what the server says, what it is answered) in pieces of one byte.
    fn play(protocol: Protocol, script: &[(&[u8], Next)]) {
        let (mut dialogue, _) = Dialogue::new(protocol, "a.test");
        for (said, expected) in script {
            let (last, before) = said.split_last().unwrap();
            for byte in before {
                assert_eq!(dialogue.heard(&[*byte]), Next::Wait, "{protocol} within {:?}", shown(said));
            }
            assert_eq!(&dialogue.heard(&[*last]), expected, "{protocol} after {:?}", shown(said));
        }
    }

    fn send(text: &str) -> Next {
        Next::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn dialogues_lead_to_tls() {
        let begin = || Next::Begin(Vec::new());
        play(
            Protocol::Smtp,
            &[
                (b"220-one\r\n220 two\r\n", send("EHLO sidelight.invalid\r\n")),
                (b"250-a\r\n250 STARTTLS\r\n", send("STARTTLS\r\n")),
                (b"220 go\r\n", begin()),
            ],
        );
        play(Protocol::Imap, &[(b"* OK hi\r\n", send("a STARTTLS\r\n")), (b"* x\r\na OK go\r\n", begin())]);
        play(Protocol::Pop3, &[(b"+OK hi\r\n", send("STLS\r\n")), (b"+OK go\r\n", begin())]);
        play(Protocol::Ftp, &[(b"220 hi\r\n", send("AUTH TLS\r\n")), (b"234 go\r\n", begin())]);
        play(Protocol::Nntp, &[(b"200 hi\r\n", send("STARTTLS\r\n")), (b"382 go\r\n", begin())]);
        play(Protocol::Sieve, &[(b"\"STARTTLS\"\r\nOK \"hi\"\r\n", send("STARTTLS\r\n")), (b"OK \"go\"\r\n", begin())]);
        play(Protocol::Postgres, &[(b"S", begin())]);
        play(Protocol::Ldap, &[(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", begin())]);
        play(
            Protocol::Xmpp,
            &[
                (
                    b"<stream:stream><stream:features><starttls/></stream:features>",
                    send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                ),
                (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", begin()),
            ],
        );
        let mut greeting = b"\x2e\0\0\0\x0a8.0\0".to_vec();
        greeting.extend([0; 13]);
        greeting.extend([0xff, 0xff]);
        greeting.resize(50, 0);
        let (mut dialogue, _) = Dialogue::new(Protocol::Mysql, "a.test");
        assert!(matches!(dialogue.heard(&greeting), Next::Begin(request) if request.len() == 36));
    }

    #[test]
    fn refusals_are_told_in_the_words_of_the_server() {
        play(
            Protocol::Postgres,
            &[(b"N", Next::Refused("it answers N to SSLRequest: TLS is switched off (`ssl = on`)".into()))],
        );
        play(Protocol::Pop3, &[(b"-ERR busy\r\n", Next::Refused("-ERR busy".into()))]);
        let (mut dialogue, _) = Dialogue::new(Protocol::Imap, "a.test");
        assert!(matches!(dialogue.heard(&vec![b'x'; MAX_BYTES + 1]), Next::Refused(_)));
    }

    #[test]
    fn names_lead_back() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(*protocol));
        }
        assert!("gopher".parse::<Protocol>().unwrap_err().contains("smtp"));
    }
}

//! XMPP. In: bytes of both streams. Out: the end of `<proceed/>`. Spec: RFC 6120 §5.4.

use super::{CLIENT_HELLO, Side, Step};

/// Bytes of a tag that are looked at: its name stands at its beginning.
const KEPT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Conversation {
    client: Tags,
    server: Tags,
    opened: bool,
    asked: bool,
    /// `<proceed>` was not empty: its end tag is to come.
    proceeding: bool,
    early: bool,
}

impl Conversation {
    pub(super) fn step(&mut self, side: Side, byte: u8) -> Step {
        match side {
            Side::Client if self.early => Step::Going,
            Side::Client if byte == CLIENT_HELLO && self.asked && self.client.tag.is_none() => {
                self.early = true;
                Step::Early
            }
            Side::Client => match self.client.push(byte) {
                Some(tag) => self.client_tag(&tag),
                None => Step::Going,
            },
            Side::Server => match self.server.push(byte) {
                Some(tag) => self.server_tag(&tag),
                None => Step::Going,
            },
        }
    }

    fn client_tag(&mut self, tag: &Tag) -> Step {
        if !self.opened {
            self.opened = tag.name().ends_with(b"stream");
            return if self.opened || tag.name() == b"?xml" { Step::Going } else { Step::Never };
        }
        self.asked |= tag.name() == b"starttls";
        Step::Going
    }

    fn server_tag(&mut self, tag: &Tag) -> Step {
        match tag.name() {
            b"proceed" if self.asked && !tag.empty => {
                self.proceeding = true;
                Step::Going
            }
            b"proceed" if self.asked => Step::Upgrade("xmpp"),
            b"/proceed" if self.proceeding => Step::Upgrade("xmpp"),
            b"failure" if self.early => Step::Never,
            b"failure" => {
                self.asked = false;
                Step::Going
            }
            _ => Step::Going,
        }
    }
}

/// What stands between `<` and `>`.
#[derive(Debug, Default)]
struct Tag {
    kept: Vec<u8>,
    quote: Option<u8>,
    /// It ends with `/`.
    empty: bool,
}

impl Tag {
    fn name(&self) -> &[u8] {
        let end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        let slash = usize::from(self.kept.first() == Some(&b'/'));
        let length = self.kept.iter().skip(slash).position(end).map_or(self.kept.len(), |length| length + slash);
        self.kept.get(..length).unwrap_or_default()
    }
}

/// Cuts a stream into tags.
#[derive(Debug, Default)]
struct Tags {
    tag: Option<Tag>,
}

impl Tags {
    /// The tag that `byte` ends.
    fn push(&mut self, byte: u8) -> Option<Tag> {
        let Some(tag) = &mut self.tag else {
            if byte == b'<' {
                self.tag = Some(Tag::default());
            }
            return None;
        };
        match (tag.quote, byte) {
            (None, b'>') => return self.tag.take(),
            (None, b'"' | b'\'') => tag.quote = Some(byte),
            (Some(quote), _) if quote == byte => tag.quote = None,
            _ => {}
        }
        tag.empty = byte == b'/';
        if tag.kept.len() < KEPT {
            tag.kept.push(byte);
        }
        None
    }
}

//! Heads that are written anew as they pass. In: the bytes of both directions of a connection, in any pieces. Out: the same bytes, with
//! those heads exchanged for which [`EditHeads`] gives others. Bodies pass as they are. Spec: RFC 9112.
//!
//! What is not HTTP/1, or goes beyond the limits, passes untouched from there on.

use std::collections::VecDeque;

use super::{BodyFraming, BodyState, HeadLimits, Progress, RequestHead, ResponseHead, parse_request, parse_response};

/// Requests of one connection whose responses have not begun; a client that sends more at once is no longer edited.
const MOST_OPEN: usize = 256;

/// Says what becomes of heads.
pub trait EditHeads: Send {
    /// Other bytes for this head of a request; `None` leaves it as it came.
    fn request(&mut self, head: &RequestHead) -> Option<Vec<u8>>;
    /// Other bytes for this head of a response; `None` leaves it as it came.
    fn response(&mut self, head: &ResponseHead) -> Option<Vec<u8>>;
}

/// One connection under way.
pub struct Editing<E> {
    edit: E,
    requests: Side,
    responses: Side,
    /// The methods of requests whose responses have not begun.
    methods: VecDeque<Vec<u8>>,
    /// Another protocol follows.
    upgraded: bool,
}

/// Where one direction is.
enum Side {
    /// In a head, of which these bytes came.
    Head(Vec<u8>),
    Body(BodyFraming),
    /// Nothing is edited any more.
    Through,
}

impl<E: EditHeads> Editing<E> {
    /// A connection before its first byte.
    pub const fn new(edit: E) -> Self {
        Self {
            edit,
            requests: Side::Head(Vec::new()),
            responses: Side::Head(Vec::new()),
            methods: VecDeque::new(),
            upgraded: false,
        }
    }

    /// Bytes of the client; what its service is to get is added to `out`.
    pub fn client_said(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if self.upgraded {
            self.requests.end(out);
        }
        while !bytes.is_empty() {
            match &mut self.requests {
                Side::Through => return out.extend_from_slice(bytes),
                Side::Body(framing) => {
                    let rest = pass(framing, bytes, out);
                    self.requests.after_body();
                    bytes = rest;
                }
                Side::Head(heard) => {
                    heard.extend_from_slice(bytes);
                    let rest = self.request_head(out).min(bytes.len());
                    bytes = &bytes[bytes.len() - rest..];
                }
            }
        }
    }

    /// Bytes of the service; what its client is to get is added to `out`.
    pub fn service_said(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match &mut self.responses {
                Side::Through => return out.extend_from_slice(bytes),
                Side::Body(framing) => {
                    let rest = pass(framing, bytes, out);
                    self.responses.after_body();
                    bytes = rest;
                }
                Side::Head(heard) => {
                    heard.extend_from_slice(bytes);
                    let rest = self.response_head(out).min(bytes.len());
                    bytes = &bytes[bytes.len() - rest..];
                }
            }
        }
    }

    /// The client has ended; what was held back of it.
    pub fn client_ended(&mut self, out: &mut Vec<u8>) {
        self.requests.end(out);
    }

    /// The service has ended; what was held back of it.
    pub fn service_ended(&mut self, out: &mut Vec<u8>) {
        self.responses.end(out);
    }

    /// Edits the head that was heard, if it is whole; gives the number of bytes after it.
    fn request_head(&mut self, out: &mut Vec<u8>) -> usize {
        let Side::Head(heard) = &mut self.requests else { return 0 };
        match parse_request(heard, &HeadLimits::default()) {
            Progress::Complete(head, consumed) if self.methods.len() < MOST_OPEN => {
                let rest = heard.len() - consumed;
                heard.clear();
                let written = self.edit.request(&head);
                out.extend_from_slice(written.as_deref().unwrap_or(&head.raw));
                self.methods.push_back(head.method.to_vec());
                self.requests = Side::Body(BodyFraming::for_request(&head));
                self.requests.after_body();
                rest
            }
            Progress::Partial => 0,
            Progress::Complete(..) | Progress::NotHttp(_) | Progress::TooLarge(_) => {
                self.requests.end(out);
                0
            }
        }
    }

    /// As [`Self::request_head`], for responses; 101 and the answer to CONNECT end the editing of both directions.
    fn response_head(&mut self, out: &mut Vec<u8>) -> usize {
        let Side::Head(heard) = &mut self.responses else { return 0 };
        match parse_response(heard, &HeadLimits::default()) {
            Progress::Complete(head, consumed) => {
                let rest = heard.len() - consumed;
                // After an interim response comes another head.
                heard.clear();
                let written = self.edit.response(&head);
                out.extend_from_slice(written.as_deref().unwrap_or(&head.raw));
                if head.status == 101 {
                    self.responses = Side::Through;
                    self.upgraded = true;
                    return rest;
                }
                if head.status >= 200 {
                    let method = self.methods.pop_front().unwrap_or_else(|| b"GET".to_vec());
                    self.responses = Side::Body(BodyFraming::for_response(&head, &method));
                    self.responses.after_body();
                }
                rest
            }
            Progress::Partial => 0,
            Progress::NotHttp(_) | Progress::TooLarge(_) => {
                self.responses.end(out);
                0
            }
        }
    }
}

/// Passes what belongs to the body; gives the rest.
fn pass<'b>(framing: &mut BodyFraming, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
    let advance = framing.advance(bytes, &mut |_| {});
    // A broken body has no end that could be found: all of it passes.
    let taken = if advance.state == BodyState::Broken { bytes.len() } else { advance.consumed.min(bytes.len()) };
    let (body, rest) = bytes.split_at(taken);
    out.extend_from_slice(body);
    rest
}

impl Side {
    /// After a body that is whole comes a head.
    fn after_body(&mut self) {
        if let Self::Body(framing) = self {
            match framing.state() {
                BodyState::Going => {}
                BodyState::Done => *self = Self::Head(Vec::new()),
                BodyState::Broken => *self = Self::Through,
            }
        }
    }

    /// Gives what was held back, and edits no more.
    fn end(&mut self, out: &mut Vec<u8>) {
        if let Self::Head(heard) = std::mem::replace(self, Self::Through) {
            out.extend_from_slice(&heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shout;

    impl EditHeads for Shout {
        fn request(&mut self, head: &RequestHead) -> Option<Vec<u8>> {
            Some(head.raw.to_ascii_uppercase())
        }

        fn response(&mut self, head: &ResponseHead) -> Option<Vec<u8>> {
            (head.status == 401).then(|| head.raw.to_ascii_uppercase())
        }
    }

    const REQUESTS: &[u8] = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nHEAD /b HTTP/1.1\r\nhost: x\r\n\r\nPUT /c HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabcget";
    const RESPONSES: &[u8] = b"HTTP/1.1 401 no\r\ncontent-length: 2\r\n\r\nnoHTTP/1.1 200 ok\r\ncontent-length: 9\r\n\r\nHTTP/1.1 100 go\r\n\r\nHTTP/1.1 201 ok\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

    /// However the bytes are cut, the same comes out.
    #[test]
    fn heads_are_edited_and_bodies_are_not() {
        for size in 1..REQUESTS.len() {
            let mut editing = Editing::new(Shout);
            let (mut up, mut down) = (Vec::new(), Vec::new());
            REQUESTS.chunks(size).for_each(|piece| editing.client_said(piece, &mut up));
            editing.client_ended(&mut up);
            RESPONSES.chunks(size).for_each(|piece| editing.service_said(piece, &mut down));
            editing.service_ended(&mut down);
            let up = String::from_utf8(up).unwrap();
            assert!(up.starts_with("GET /A HTTP/1.1\r\nHOST: X\r\n\r\nHEAD /B"), "{size}: {up}");
            assert!(up.ends_with("CONTENT-LENGTH: 3\r\n\r\nabcget"), "{size}: {up}");
            let down = String::from_utf8(down).unwrap();
            assert!(
                down.starts_with("HTTP/1.1 401 NO\r\nCONTENT-LENGTH: 2\r\n\r\nnoHTTP/1.1 200 ok\r\n"),
                "{size}: {down}"
            );
            assert_eq!(down.len(), RESPONSES.len(), "{size}: {down}");
        }
    }

    #[test]
    fn what_is_not_http_passes() {
        let mut editing = Editing::new(Shout);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        editing.client_said(b"\x16\x03\x01 hello", &mut up);
        editing.service_said(b"SSH-2.0-x\r\n", &mut down);
        editing.client_ended(&mut up);
        editing.service_ended(&mut down);
        assert_eq!((up.as_slice(), down.as_slice()), (&b"\x16\x03\x01 hello"[..], &b"SSH-2.0-x\r\n"[..]));
    }
}

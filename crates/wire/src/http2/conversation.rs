//! A conversation in HTTP/2. In: bytes of both directions as they pass. Out: exchanges, messages, what breaks RFC 9113.

use sidelight_model::flow::{AnomalyKind, Direction, Exchange};

use super::fields::Block;
use super::frame::{FrameHead, HEAD, error_name};
use super::side::{Item, MOST_BLOCK, OpenBlock, Side};
use super::streams::Streams;
use crate::anomalies::quote;
use crate::flow_decoder::Context;

/// Faults of one direction after which it is not believed to be HTTP/2 any more.
const MOST_FAULTS: usize = 64;
/// SETTINGS_MAX_FRAME_SIZE.
const MAX_FRAME_SIZE: u16 = 5;

/// An HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    sides: [Side; 2],
    streams: Streams,
    midway: bool,
    over: bool,
}

impl Conversation {
    /// A conversation that begins at these places of the two directions.
    pub(crate) fn new(offsets: [u64; 2]) -> Self {
        let [client, server] = offsets;
        let sides = [Side::new(Direction::ToServer, client), Side::new(Direction::ToClient, server)];
        Self { sides, streams: Streams::default(), midway: false, over: false }
    }

    /// The conversation begins with the answer to a request in HTTP/1 (RFC 7540 §3.2).
    pub(crate) fn begin_upgraded(&mut self, cx: &mut Context<'_>, exchange: &Exchange) {
        self.streams.insert_upgraded(cx, exchange);
    }

    /// The next bytes of one direction.
    pub(crate) fn data(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let side = &mut self.sides[direction.index()];
            let ends = side.frame.as_ref().is_some_and(super::side::Frame::is_spent);
            if side.stopped.is_some() || (rest.is_empty() && !ends) {
                return;
            }
            let (used, item) = side.next(rest);
            side.offset += used as u64;
            rest = &rest[used..];
            self.item(cx, direction, item);
        }
    }

    fn item(&mut self, cx: &mut Context<'_>, direction: Direction, item: Item<'_>) {
        match item {
            Item::More => {}
            Item::NoPreface => self.join_midway(cx, direction, "no HTTP/2 preface was seen"),
            Item::Head(head) => self.begin_frame(cx, direction, head),
            Item::Content(stream, content) => self.streams.content(cx, stream, direction, content),
            Item::End(head, payload) => self.end_frame(cx, direction, head, payload),
            Item::BadPadding(head) => {
                self.fault(cx, direction, format!("{} with more padding than payload", head.name()));
            }
        }
    }

    fn join_midway(&mut self, cx: &mut Context<'_>, direction: Direction, why: &str) {
        if std::mem::replace(&mut self.midway, true) {
            return;
        }
        self.streams.midway = true;
        for side in &mut self.sides {
            side.hpack.join_midway();
        }
        let offset = self.sides[direction.index()].offset;
        cx.anomaly(direction, AnomalyKind::JoinedMidway, why.to_owned(), Some(offset));
    }

    fn fault(&mut self, cx: &mut Context<'_>, direction: Direction, detail: String) {
        let side = &mut self.sides[direction.index()];
        side.faults += 1;
        cx.anomaly(direction, AnomalyKind::BadFrame, detail, Some(side.offset));
        if side.faults == MOST_FAULTS {
            self.stop(cx, direction, "too many faults for an HTTP/2 conversation".to_owned());
        }
    }

    fn stop(&mut self, cx: &mut Context<'_>, direction: Direction, why: String) {
        let side = &mut self.sides[direction.index()];
        if side.stopped.is_none() {
            side.stopped = Some(why.clone());
            side.block = None;
            self.streams.stop(cx, direction, &why);
            cx.stopped(direction, why);
        }
    }

    fn begin_frame(&mut self, cx: &mut Context<'_>, direction: Direction, head: FrameHead) {
        let side = &mut self.sides[direction.index()];
        let first = std::mem::take(&mut side.first);
        let continues = side.block.as_ref().map(|block| block.head.stream);
        let most = side.max_frame;
        if first && head.kind != FrameHead::SETTINGS && direction == Direction::ToClient {
            self.join_midway(cx, direction, "the service's first frame is not SETTINGS");
        }
        if let Some(fault) = head.fault() {
            self.fault(cx, direction, format!("{} {fault}", head.name()));
        }
        if head.length > most {
            self.fault(cx, direction, format!("{} of {} bytes, where {most} are allowed", head.name(), head.length));
        }
        let continuation = head.kind == FrameHead::CONTINUATION;
        match continues {
            Some(stream) if !continuation || head.stream != stream => {
                self.stop(cx, direction, format!("{} in the middle of the fields of stream {stream}", head.name()));
            }
            None if continuation => self.stop(cx, direction, "CONTINUATION of no fields".to_owned()),
            _ => {}
        }
        if head.has_fields() && head.length as usize > MOST_BLOCK {
            self.stop(cx, direction, format!("fields of {} bytes", head.length));
        }
        if head.kind == FrameHead::DATA {
            self.streams.framing(head.stream, direction, HEAD as u64 + u64::from(head.length));
        }
    }

    fn end_frame(&mut self, cx: &mut Context<'_>, direction: Direction, head: FrameHead, payload: Vec<u8>) {
        match head.kind {
            FrameHead::DATA if head.ends_stream() => self.streams.end(cx, head.stream, direction),
            FrameHead::HEADERS | FrameHead::PUSH_PROMISE | FrameHead::CONTINUATION => {
                self.end_fields(cx, direction, head, payload);
            }
            FrameHead::RST_STREAM => {
                if let Some(code) = payload.first_chunk::<4>() {
                    self.streams.reset(cx, head.stream, direction, u32::from_be_bytes(*code));
                }
            }
            FrameHead::SETTINGS if !head.is_ack() => self.settings(direction, &payload),
            FrameHead::GOAWAY => self.goaway(cx, direction, &payload),
            // PRIORITY, PING, WINDOW_UPDATE and the frames of extensions say nothing about exchanges.
            _ => {}
        }
    }

    /// A frame with (a part of) a field block.
    fn end_fields(&mut self, cx: &mut Context<'_>, direction: Direction, head: FrameHead, payload: Vec<u8>) {
        let side = &mut self.sides[direction.index()];
        let mut open = match side.block.take() {
            None => OpenBlock { head, bytes: payload },
            Some(mut open) => {
                open.bytes.extend_from_slice(&payload);
                open
            }
        };
        if open.bytes.len() > MOST_BLOCK {
            return self.stop(cx, direction, format!("fields of more than {MOST_BLOCK} bytes"));
        }
        if !head.ends_headers() {
            side.block = Some(open);
            return;
        }
        let skipped = match open.head.kind {
            FrameHead::PUSH_PROMISE => 4,
            _ if open.head.has_priority() => 5,
            _ => 0,
        };
        if open.bytes.len() < skipped {
            return self.stop(cx, direction, format!("{} that is too short", open.head.name()));
        }
        let fields = open.bytes.split_off(skipped);
        let mut block = Block::default();
        if let Err(why) = side.hpack.decode(&fields, &mut |field| block.push(field)) {
            cx.anomaly(direction, AnomalyKind::BadHpack, why.clone(), Some(side.offset));
            return self.stop(cx, direction, why);
        }
        self.whole_fields(cx, direction, open.head, &open.bytes, block);
    }

    fn whole_fields(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        head: FrameHead,
        prefix: &[u8],
        block: Block,
    ) {
        let (at, stream) = (self.sides[direction.index()].offset, head.stream);
        if stream == 0 {
            return;
        }
        match direction {
            _ if head.kind == FrameHead::PUSH_PROMISE => {
                if direction == Direction::ToServer {
                    return self.fault(cx, direction, "PUSH_PROMISE from the client".to_owned());
                }
                let promised = prefix.first_chunk::<4>().map_or(0, |id| u32::from_be_bytes(*id) & 0x7fff_ffff);
                return self.streams.promise(cx, promised, block);
            }
            Direction::ToServer => self.streams.client_fields(cx, stream, block, at),
            Direction::ToClient => self.streams.server_fields(cx, stream, block, at),
        }
        if head.ends_stream() {
            self.streams.end(cx, stream, direction);
        }
    }

    /// What one side says about itself binds the other.
    fn settings(&mut self, direction: Direction, payload: &[u8]) {
        let other = &mut self.sides[direction.other().index()];
        for [a, b, c, d, e, f] in payload.as_chunks::<6>().0 {
            if u16::from_be_bytes([*a, *b]) == MAX_FRAME_SIZE {
                other.max_frame = other.max_frame.max(u32::from_be_bytes([*c, *d, *e, *f]));
            }
        }
    }

    fn goaway(&mut self, cx: &mut Context<'_>, direction: Direction, payload: &[u8]) {
        let Some(([a, b, c, d, e, f, g, h], debug)) = payload.split_first_chunk::<8>() else { return };
        let last = u32::from_be_bytes([*a, *b, *c, *d]) & 0x7fff_ffff;
        let code = u32::from_be_bytes([*e, *f, *g, *h]);
        let side = &mut self.sides[direction.index()];
        side.goaway = Some((last, code));
        if code != 0 {
            let words = if debug.is_empty() { String::new() } else { format!(", {}", quote(debug)) };
            let detail = format!("GOAWAY after stream {last}: {}{words}", error_name(code));
            cx.anomaly(direction, AnomalyKind::ConnectionError, detail, Some(side.offset));
        }
        if direction == Direction::ToClient {
            self.streams.goaway(cx, last, code);
        }
    }

    /// Bytes passed unseen. Decoding goes on where they can only have been content, within one DATA frame.
    ///
    /// Anything else ends the decoding of that direction: nothing marks where a frame begins, so that content which looks like
    /// frames would be taken for them; and fields that were not seen change what those behind them mean (RFC 7541 §2.3.2).
    pub(crate) fn lost(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        let side = &mut self.sides[direction.index()];
        if side.stopped.is_some() {
            return;
        }
        side.offset = side.offset.saturating_add(bytes);
        match side.skip_content(bytes) {
            Some(stream) => {
                self.streams.lost(cx, stream, direction, bytes);
                self.data(cx, direction, &[]);
            }
            None => self.stop(cx, direction, format!("{bytes} bytes of the HTTP/2 conversation were not seen")),
        }
    }

    /// One direction ended in order. Without the service's no stream can end any more.
    pub(crate) fn half_closed(&mut self, cx: &mut Context<'_>, direction: Direction) {
        if direction == Direction::ToClient {
            self.cut(cx, "the service ended the connection");
        }
    }

    /// The connection is over.
    pub(crate) fn closed(&mut self, cx: &mut Context<'_>) {
        self.cut(cx, "the connection closed");
    }

    fn cut(&mut self, cx: &mut Context<'_>, who: &str) {
        let said = self.sides.iter().zip(["client", "service"]).find_map(|(side, who)| {
            side.goaway.map(|(_, code)| format!("; the {who} had said GOAWAY ({})", error_name(code)))
        });
        self.streams.cut(cx, who, said.as_deref().unwrap_or_default());
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for (side, direction) in self.sides.iter().zip([Direction::ToServer, Direction::ToClient]) {
            if side.is_inside() && side.stopped.is_none() {
                let detail = format!("{who} inside a frame");
                cx.anomaly(direction, AnomalyKind::BadFrame, detail, Some(side.offset));
            }
        }
    }
}

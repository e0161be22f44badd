//! A WebSocket conversation. In: bytes of both directions, in any pieces. Out: messages and control frames, and what breaks RFC 6455.

use bytes::Bytes;
use sidelight_model::flow::{AnomalyKind, Decoded, Direction, WebSocketKind, WebSocketMessage};

use super::frame::{FrameHead, LONGEST_HEAD, unmask};
use super::inflate::{Deflate, Inflater};
use crate::anomalies::quote;
use crate::body::{Budget, Kept};
use crate::flow_decoder::Context;

/// Longest payload of a control frame (RFC 6455 §5.5).
const LONGEST_CONTROL: usize = 125;
/// Faults of one direction after which it is not believed to be WebSocket any more.
const MOST_FAULTS: usize = 16;

/// A data message that is being put together.
#[derive(Debug)]
struct Message {
    text: bool,
    compressed: bool,
    length: u64,
    kept: Kept,
    frames: u32,
}

impl Message {
    fn push(&mut self, content: &[u8], budget: &mut Budget) {
        self.length = self.length.saturating_add(content.len() as u64);
        self.kept.push(content, budget);
    }
}

/// A frame whose payload is passing.
#[derive(Debug)]
struct Frame {
    head: FrameHead,
    left: u64,
    /// Its payload belongs to no message.
    skipped: bool,
}

/// One direction.
#[derive(Debug)]
struct Side {
    direction: Direction,
    head: [u8; LONGEST_HEAD],
    have: usize,
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
    inflater: Option<Inflater>,
    offset: u64,
    /// Where the present frame began.
    frame_at: u64,
    faults: usize,
    stopped: bool,
}

/// A WebSocket connection, or a stream of HTTP/2 that is one.
#[derive(Debug)]
pub(crate) struct Conversation {
    stream: u64,
    sides: [Side; 2],
}

impl Conversation {
    /// The conversation that the exchange numbered `stream` became, beginning at these places.
    pub(crate) fn new(stream: u64, deflate: Option<Deflate>, offsets: [u64; 2]) -> Self {
        let side = |direction: Direction| Side {
            direction,
            head: [0; LONGEST_HEAD],
            have: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            inflater: deflate.map(|deflate| deflate.inflater(direction)),
            offset: offsets[direction.index()],
            frame_at: offsets[direction.index()],
            faults: 0,
            stopped: false,
        };
        Self { stream, sides: [side(Direction::ToServer), side(Direction::ToClient)] }
    }

    /// The next bytes of one direction.
    pub(crate) fn data(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) {
        let side = &mut self.sides[direction.index()];
        let mut rest = bytes;
        while !side.stopped && !rest.is_empty() {
            let used = if side.frame.is_none() { side.take_head(cx, rest) } else { side.take_payload(cx, rest) };
            side.offset += used as u64;
            rest = &rest[used..];
            if side.frame.as_ref().is_some_and(|frame| frame.left == 0) {
                side.end_frame(cx, self.stream);
            }
        }
    }

    /// Bytes passed unseen. Decoding goes on where they can only have been payload that is not deflated: a frame begins nowhere else
    /// for certain, as neither its head nor the turns of the two sides tell.
    pub(crate) fn lost(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        let side = &mut self.sides[direction.index()];
        if side.stopped {
            return;
        }
        side.offset = side.offset.saturating_add(bytes);
        let compressed = side.message.as_ref().is_some_and(|message| message.compressed);
        match (&mut side.frame, &mut side.message) {
            (Some(frame), Some(message))
                if frame.left >= bytes && !compressed && !frame.skipped && !frame.head.is_control() =>
            {
                frame.left -= bytes;
                message.length = message.length.saturating_add(bytes);
                message.kept.stop();
                let detail = format!("{bytes} bytes of a WebSocket message were not seen");
                cx.anomaly(direction, AnomalyKind::Gap, detail, Some(side.offset));
                if frame.left == 0 {
                    side.end_frame(cx, self.stream);
                }
            }
            _ => side.stop(cx, format!("{bytes} bytes of the WebSocket conversation were not seen")),
        }
    }

    /// The conversation is over.
    pub(crate) fn closed(&mut self, cx: &mut Context<'_>) {
        for side in &mut self.sides {
            let unfinished = side.message.is_some() || side.frame.is_some() || side.have > 0;
            if unfinished && !side.stopped {
                let detail = "the connection ended inside a WebSocket message".to_owned();
                cx.anomaly(side.direction, AnomalyKind::BadWebSocket, detail, Some(side.offset));
            }
            side.stopped = true;
            if let Some(mut message) = side.message.take() {
                message.kept.finish(cx.budget);
            }
        }
    }
}

impl Side {
    fn fault(&mut self, cx: &mut Context<'_>, detail: String) {
        self.faults += 1;
        cx.anomaly(self.direction, AnomalyKind::BadWebSocket, detail, Some(self.frame_at));
        if self.faults == MOST_FAULTS {
            self.stop(cx, "too many faults for a WebSocket conversation".to_owned());
        }
    }

    fn stop(&mut self, cx: &mut Context<'_>, why: String) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        if let Some(mut message) = self.message.take() {
            message.kept.finish(cx.budget);
        }
        cx.stopped(self.direction, why);
    }

    fn take_head(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> usize {
        if self.have == 0 {
            self.frame_at = self.offset;
        }
        let mut used = 0;
        let head = loop {
            if let Some(head) = FrameHead::parse(&self.head[..self.have]) {
                break head;
            }
            let Some(byte) = rest.get(used) else { return used };
            self.head[self.have] = *byte;
            self.have += 1;
            used += 1;
        };
        self.have = 0;
        self.begin_frame(cx, head);
        used
    }

    fn begin_frame(&mut self, cx: &mut Context<'_>, head: FrameHead) {
        if head.length >> 63 != 0 {
            return self.stop(cx, format!("a WebSocket frame of {} bytes", head.length));
        }
        let from_client = self.direction == Direction::ToServer;
        if head.key.is_some() != from_client {
            let what =
                if from_client { "an unmasked frame from the client" } else { "a masked frame from the service" };
            self.fault(cx, what.to_owned());
        }
        let first = matches!(head.opcode, FrameHead::TEXT | FrameHead::BINARY);
        if head.reserved || head.compressed && !(first && self.inflater.is_some()) {
            self.fault(cx, "reserved bits that no agreed extension uses".to_owned());
        }
        if head.is_control() && (!head.fin || head.length > LONGEST_CONTROL as u64) {
            self.fault(cx, format!("a control frame in fragments or of {} bytes", head.length));
        }
        let skipped = self.assign(cx, head);
        if !self.stopped {
            self.frame = Some(Frame { head, left: head.length, skipped });
        }
    }

    /// Finds the message that a frame belongs to; true when there is none.
    fn assign(&mut self, cx: &mut Context<'_>, head: FrameHead) -> bool {
        match head.opcode {
            FrameHead::CONTINUATION => {
                let Some(message) = &mut self.message else {
                    self.fault(cx, "a continuation of no message".to_owned());
                    return true;
                };
                message.frames = message.frames.saturating_add(1);
            }
            FrameHead::TEXT | FrameHead::BINARY => {
                if let Some(mut before) = self.message.take() {
                    before.kept.finish(cx.budget);
                    self.fault(cx, "a new message before the end of the one before".to_owned());
                }
                self.message = Some(Message {
                    text: head.opcode == FrameHead::TEXT,
                    compressed: head.compressed && self.inflater.is_some(),
                    length: 0,
                    kept: Kept::new(cx.limits.body_kept),
                    frames: 1,
                });
            }
            FrameHead::CLOSE | FrameHead::PING | FrameHead::PONG => self.control.clear(),
            other => {
                self.fault(cx, format!("a frame with the reserved opcode 0x{other:x}"));
                return true;
            }
        }
        false
    }

    fn take_payload(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> usize {
        let Some(frame) = &mut self.frame else { return rest.len() };
        let piece = usize::try_from(frame.left).unwrap_or(usize::MAX).min(rest.len());
        let position = frame.head.length - frame.left;
        frame.left -= piece as u64;
        let (key, payload) = (frame.head.key.unwrap_or_default(), &rest[..piece]);
        if frame.head.is_control() {
            let room = LONGEST_CONTROL.saturating_sub(self.control.len());
            let start = self.control.len();
            self.control.extend_from_slice(&payload[..piece.min(room)]);
            unmask(&mut self.control[start..], key, position);
        } else if !frame.skipped {
            let failed = match (&mut self.message, &mut self.inflater) {
                (Some(message), Some(inflater)) if message.compressed => {
                    inflate(message, inflater, payload, key, position, cx.budget).err()
                }
                (Some(message), _) => {
                    keep(message, payload, key, position, cx.budget);
                    None
                }
                (None, _) => None,
            };
            if let Some(why) = failed {
                self.fault(cx, why.clone());
                self.stop(cx, why);
            }
        }
        piece
    }

    fn end_frame(&mut self, cx: &mut Context<'_>, stream: u64) {
        let Some(frame) = self.frame.take() else { return };
        if frame.skipped || self.stopped {
            return;
        }
        if frame.head.is_control() {
            let payload = std::mem::take(&mut self.control);
            let (kind, fault) = control_kind(frame.head.opcode, &payload);
            if let Some(fault) = fault {
                self.fault(cx, fault);
            }
            let kept = Bytes::from(payload);
            self.hand_out(cx, stream, kind, frame.head.length, kept, 1, false);
        } else if frame.head.fin {
            self.end_message(cx, stream);
        }
    }

    fn end_message(&mut self, cx: &mut Context<'_>, stream: u64) {
        let Some(mut message) = self.message.take() else { return };
        if let (true, Some(inflater)) = (message.compressed, &mut self.inflater) {
            let result = inflater.end(&mut |content| message.push(content, cx.budget));
            if let Err(why) = result {
                message.kept.finish(cx.budget);
                self.fault(cx, why.clone());
                return self.stop(cx, why);
            }
        }
        let kept = message.kept.finish(cx.budget);
        if message.text && kept.len() as u64 == message.length && std::str::from_utf8(&kept).is_err() {
            self.fault(cx, format!("a text message that is not UTF-8: {}", quote(&kept)));
        }
        let kind = if message.text { WebSocketKind::Text } else { WebSocketKind::Binary };
        self.hand_out(cx, stream, kind, message.length, kept, message.frames, message.compressed);
    }

    #[allow(clippy::too_many_arguments)] // the fields of one value
    fn hand_out(
        &self,
        cx: &mut Context<'_>,
        stream: u64,
        kind: WebSocketKind,
        length: u64,
        kept: Bytes,
        frames: u32,
        compressed: bool,
    ) {
        let (direction, at) = (self.direction, cx.at);
        let message = WebSocketMessage { stream, direction, at, kind, length, kept, frames, compressed };
        cx.out.push(Decoded::WebSocket(message));
    }
}

/// Payload as it is: only what is kept is copied and unmasked.
fn keep(message: &mut Message, payload: &[u8], key: [u8; 4], position: u64, budget: &mut Budget) {
    let kept = payload.len().min(message.kept.room());
    let mut copy = payload[..kept].to_vec();
    unmask(&mut copy, key, position);
    message.kept.push(&copy, budget);
    message.length = message.length.saturating_add(payload.len() as u64);
}

fn inflate(
    message: &mut Message,
    inflater: &mut Inflater,
    payload: &[u8],
    key: [u8; 4],
    position: u64,
    budget: &mut Budget,
) -> Result<(), String> {
    let mut buffer = [0; 4096];
    let mut position = position;
    for piece in payload.chunks(buffer.len()) {
        let clear = &mut buffer[..piece.len()];
        clear.copy_from_slice(piece);
        unmask(clear, key, position);
        position += piece.len() as u64;
        inflater.push(clear, &mut |content| message.push(content, budget))?;
    }
    Ok(())
}

/// What a control frame says, and what is wrong with it.
fn control_kind(opcode: u8, payload: &[u8]) -> (WebSocketKind, Option<String>) {
    match opcode {
        FrameHead::PING => (WebSocketKind::Ping, None),
        FrameHead::PONG => (WebSocketKind::Pong, None),
        _ => {
            let Some((code, reason)) = payload.split_first_chunk::<2>() else {
                let fault = (!payload.is_empty()).then(|| "a close frame with half a code".to_owned());
                return (WebSocketKind::Close(None, String::new()), fault);
            };
            let code = u16::from_be_bytes(*code);
            // RFC 6455 §7.4: 1005, 1006 and 1015 are never sent; below 1000 and from 5000 on nothing is defined.
            let allowed = (1000..5000).contains(&code) && !matches!(code, 1004..=1006 | 1015);
            let fault = if !allowed {
                Some(format!("the close code {code}"))
            } else if std::str::from_utf8(reason).is_err() {
                Some(format!("a close reason that is not UTF-8: {}", quote(reason)))
            } else {
                None
            };
            (WebSocketKind::Close(Some(code), String::from_utf8_lossy(reason).into_owned()), fault)
        }
    }
}

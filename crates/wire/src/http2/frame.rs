//! Heads of HTTP/2 frames. In: nine bytes. Out: what the frame is; names of errors. Spec: RFC 9113 §4.1, §6, §7.

use sidelight_model::flow::Direction;

/// What a client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;
/// Frames are no longer than this unless a peer allows it.
pub(super) const FIRST_MAX_FRAME: u32 = 16_384;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PUSH_PROMISE: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;

    /// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
    const END_STREAM: u8 = 0x1;
    const END_HEADERS: u8 = 0x4;
    const PADDED: u8 = 0x8;
    const WITH_PRIORITY: u8 = 0x20;

    pub(super) const fn parse(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        }
    }

    pub(super) const fn ends_stream(self) -> bool {
        matches!(self.kind, Self::DATA | Self::HEADERS) && self.flags & Self::END_STREAM != 0
    }

    pub(super) const fn is_ack(self) -> bool {
        self.flags & Self::END_STREAM != 0
    }

    pub(super) const fn ends_headers(self) -> bool {
        self.flags & Self::END_HEADERS != 0
    }

    pub(super) const fn is_padded(self) -> bool {
        matches!(self.kind, Self::DATA | Self::HEADERS | Self::PUSH_PROMISE) && self.flags & Self::PADDED != 0
    }

    pub(super) const fn has_priority(self) -> bool {
        self.kind == Self::HEADERS && self.flags & Self::WITH_PRIORITY != 0
    }

    /// Whether it carries (a part of) a field block.
    pub(super) const fn has_fields(self) -> bool {
        matches!(self.kind, Self::HEADERS | Self::PUSH_PROMISE | Self::CONTINUATION)
    }

    /// What RFC 9113 §6 says against this length and stream for this kind of frame.
    pub(super) const fn fault(self) -> Option<&'static str> {
        let zero = self.stream == 0;
        match self.kind {
            Self::DATA | Self::HEADERS | Self::PUSH_PROMISE | Self::CONTINUATION if zero => Some("on stream 0"),
            Self::PRIORITY if zero || self.length != 5 => Some("on stream 0 or not of 5 bytes"),
            Self::RST_STREAM if zero || self.length != 4 => Some("on stream 0 or not of 4 bytes"),
            Self::SETTINGS if !zero || !self.length.is_multiple_of(6) => {
                Some("not on stream 0 or not of 6 bytes for each setting")
            }
            Self::PING if !zero || self.length != 8 => Some("not on stream 0 or not of 8 bytes"),
            Self::GOAWAY if !zero || self.length < 8 => Some("not on stream 0 or of less than 8 bytes"),
            Self::WINDOW_UPDATE if self.length != 4 => Some("not of 4 bytes"),
            _ => None,
        }
    }

    /// The name of its kind.
    pub(super) fn name(self) -> String {
        let name = match self.kind {
            Self::DATA => "DATA",
            Self::HEADERS => "HEADERS",
            Self::PRIORITY => "PRIORITY",
            Self::RST_STREAM => "RST_STREAM",
            Self::SETTINGS => "SETTINGS",
            Self::PUSH_PROMISE => "PUSH_PROMISE",
            Self::PING => "PING",
            Self::GOAWAY => "GOAWAY",
            Self::WINDOW_UPDATE => "WINDOW_UPDATE",
            Self::CONTINUATION => "CONTINUATION",
            other => return format!("frame of type 0x{other:02x}"),
        };
        name.to_owned()
    }
}

/// The name of an error code (RFC 9113 §7).
pub(crate) fn error_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("error 0x{code:x}"), |name| (*name).to_owned())
}

/// Whether the bytes of one side can be frames of an HTTP/2 connection whose beginning was not seen; `None` while that is open.
///
/// Only frames that leave little to chance count: there are other protocols that begin with a length.
pub(crate) fn may_begin_midway(bytes: &[u8], direction: Direction) -> Option<bool> {
    if bytes.first().is_some_and(|first| *first != 0) {
        return Some(false);
    }
    let kind = *bytes.get(3)?;
    if !matches!(kind, FrameHead::HEADERS..=FrameHead::SETTINGS | FrameHead::PING..=FrameHead::WINDOW_UPDATE) {
        return Some(false);
    }
    let head = FrameHead::parse(*bytes.first_chunk::<HEAD>()?);
    let reserved = bytes[5] & 0x80 != 0;
    let sound = match kind {
        // END_HEADERS set, no flag that does not exist, a stream of the client's.
        FrameHead::HEADERS => {
            head.ends_headers()
                && head.flags & !0x2d == 0
                && head.stream % 2 == 1
                && (1..=FIRST_MAX_FRAME).contains(&head.length)
        }
        FrameHead::SETTINGS => head.flags & !1 == 0 && head.length <= 120 && (head.flags == 0 || head.length == 0),
        FrameHead::PING => head.flags & !1 == 0,
        FrameHead::GOAWAY => head.flags == 0 && head.length <= 1024 && direction == Direction::ToClient,
        _ => head.flags == 0,
    };
    Some(sound && !reserved && head.fault().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = FrameHead::parse([0, 1, 2, 1, 0x25, 0x80, 0, 0, 3]);
        assert_eq!((head.length, head.kind, head.stream), (258, FrameHead::HEADERS, 3));
        assert!(head.ends_stream() && head.ends_headers() && head.has_priority() && !head.is_padded());
        assert_eq!(head.fault(), None);
        assert!(FrameHead::parse([0, 0, 5, 4, 0, 0, 0, 0, 0]).fault().is_some());
        assert_eq!(error_name(11), "ENHANCE_YOUR_CALM");
        assert_eq!(error_name(99), "error 0x63");
    }

    #[test]
    fn joining_midway_needs_a_plausible_frame() {
        let judge = |bytes: &[u8]| may_begin_midway(bytes, Direction::ToServer);
        assert_eq!(judge(&[0, 0, 18, 4, 0, 0, 0, 0, 0]), Some(true));
        assert_eq!(judge(&[0, 0, 4, 8, 0, 0, 0, 0, 0]), Some(true));
        assert_eq!(judge(&[0, 0, 30, 1, 5, 0, 0, 0, 7]), Some(true));
        assert_eq!(judge(&[0, 0, 30, 1, 5, 0, 0]), None);
        assert_eq!(judge(&[0, 0, 0]), None);
        assert_eq!(judge(&[0, 0, 30, 1, 5, 0, 0, 0, 8]), Some(false), "an even stream");
        assert_eq!(judge(&[0, 29, 0xab, 0xcd, 1, 0, 0, 1, 0]), Some(false), "DNS over TCP");
        assert_eq!(judge(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f, 0]), Some(false), "the SSLRequest of Postgres");
        assert_eq!(judge(b"SSH-"), Some(false));
    }
}

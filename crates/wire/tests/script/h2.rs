//! Frames of HTTP/2 for scripts. In: fields, content. Out: bytes. Fields are literals without indexing, unless a test writes its own.

/// What a client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITY: u8 = 0x20;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// An empty SETTINGS.
pub(crate) fn settings() -> Vec<u8> {
    frame(4, 0, 0, [])
}

/// A field block. Names and values must be shorter than 127 bytes.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// HEADERS with a whole block.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, END_HEADERS | flags, stream, block(fields))
}

/// HEADERS of a request without content.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, END_STREAM, &[(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", path)])
}

/// HEADERS of a request with content to come.
pub(crate) fn post(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![(":method", "POST"), (":scheme", "https"), (":authority", "h"), (":path", path)];
    fields.extend_from_slice(more);
    headers(stream, 0, &fields)
}

/// DATA.
pub(crate) fn data(stream: u32, flags: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0, flags, stream, content)
}

/// A whole answer.
pub(crate) fn answer(stream: u32, status: &str, content: &str) -> Vec<u8> {
    [headers(stream, 0, &[(":status", status)]), data(stream, END_STREAM, content)].concat()
}

/// RST_STREAM.
pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, code.to_be_bytes())
}

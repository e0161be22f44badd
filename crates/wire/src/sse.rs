//! Server-sent events. In: the content of a `text/event-stream` response in pieces. Out: events as their blank line passes.
//! Spec: WHATWG HTML §9.2 (event stream interpretation).

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// Longest line of a field other than `data` that is kept.
const LONGEST_NAME: usize = 1024;

/// Puts events together.
#[derive(Debug)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// No line has been finished yet, so a byte order mark may stand at its beginning.
    first: bool,
    event: Event,
    data: Vec<u8>,
    has_data: bool,
    last_id: String,
    limit: usize,
}

impl EventReader {
    /// A reader that keeps `limit` bytes of the data of an event.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            first: true,
            event: Event::default(),
            data: Vec::new(),
            has_data: false,
            last_id: String::new(),
            limit,
        }
    }

    /// The next bytes of content. Events that the end of the stream cuts are no events.
    pub(crate) fn push(&mut self, mut content: &[u8], on_event: &mut impl FnMut(Event)) {
        while let Some(first) = content.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                content = &content[1..];
                continue;
            }
            let end = content.iter().position(|byte| matches!(*byte, b'\n' | b'\r'));
            let piece = end.unwrap_or(content.len());
            // A line holds its name, a colon and a space besides the data that counts.
            let room = (self.limit + LONGEST_NAME).saturating_sub(self.line.len());
            self.line.extend_from_slice(&content[..piece.min(room)]);
            let Some(end) = end else { break };
            self.after_cr = content[end] == b'\r';
            content = &content[end + 1..];
            self.end_line(on_event);
        }
    }

    fn end_line(&mut self, on_event: &mut impl FnMut(Event)) {
        let line = std::mem::take(&mut self.line);
        let mut text = &line[..];
        if std::mem::take(&mut self.first) {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        if text.is_empty() {
            self.dispatch(on_event);
        } else {
            self.field(text);
        }
        // Gives the buffer back, so that lines do not allocate.
        self.line = line;
        self.line.clear();
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let short = || String::from_utf8_lossy(&value[..value.len().min(LONGEST_NAME)]).into_owned();
        match &line[..colon] {
            b"data" => {
                let room = self.limit.saturating_sub(self.data.len());
                if self.has_data && room > 0 {
                    self.data.push(b'\n');
                }
                let room = self.limit.saturating_sub(self.data.len());
                self.data.extend_from_slice(&value[..value.len().min(room)]);
                self.has_data = true;
            }
            b"event" => self.event.event = short(),
            b"id" if !value.contains(&0) => self.last_id = short(),
            // `retry`, comments (an empty name) and unknown fields say nothing about the event.
            _ => {}
        }
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(Event)) {
        let mut event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            event.id.clone_from(&self.last_id);
            event.data = String::from_utf8_lossy(&data).into_owned();
            on_event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]], limit: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut reader = EventReader::new(limit);
        for piece in pieces {
            reader.push(piece, &mut |event| events.push(event));
        }
        events
    }

    fn event(event: &str, id: &str, data: &str) -> Event {
        Event { event: event.into(), id: id.into(), data: data.into() }
    }

    #[test]
    fn events_with_all_line_ends() {
        let stream = b"\xef\xbb\xbfdata: one\n\nevent:add\r\ndata:a\r\ndata:  b\r\nid: 7\r\n\r\n: comment\rdata\r\rretry: 10\n\nid\ndata: x\n\ndata: cut";
        let expected = vec![event("", "", "one"), event("add", "7", "a\n b"), event("", "7", ""), event("", "", "x")];
        assert_eq!(read(&[stream], 100), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes, 100), expected);
    }

    #[test]
    fn data_is_bounded() {
        let long = [&b"data: "[..], &[b'x'; 9000], b"\ndata: y\n\n"].concat();
        assert_eq!(read(&[&long], 10)[0].data, "x".repeat(10));
        assert_eq!(read(&[b"data: ab\ndata: cd\n\n"], 4)[0].data, "ab\nc");
    }
}

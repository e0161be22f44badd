//! A flow as filters see it. In: what is known of a connection and an exchange. Out: whether a filter
//! selects it.

use std::borrow::Cow;

use super::expr::{Expr, Leaf, Test};
use crate::finding::Finding;
use crate::flow::{ConnectionRecord, Decoded, Exchange};
use crate::time::Timestamp;

/// A flow: an exchange and its connection, or a connection without any exchange.
#[derive(Clone, Copy)]
pub struct FlowView<'f> {
    /// Its number in its recording, when it has one.
    pub id: Option<u64>,
    /// Its connection.
    pub conn: &'f ConnectionRecord,
    /// The exchange; `None` for a connection without any.
    pub exchange: Option<&'f Exchange>,
    /// Its messages: of WebSocket, gRPC, event streams; or raw data.
    pub messages: &'f [Decoded],
    /// What was found about it.
    pub findings: &'f [Finding],
    /// The content of the exchange.
    pub bodies: &'f dyn Bodies,
    /// The time for which durations until a certificate's end are counted.
    pub now: Timestamp,
}

/// The content of an exchange, content codings undone, as far as it was kept. It is asked for only when a filter needs it.
pub trait Bodies {
    /// Of the request.
    fn request(&self) -> Cow<'_, [u8]>;
    /// Of the response.
    fn response(&self) -> Cow<'_, [u8]>;
}

/// Content as it was sent, with its codings.
#[derive(Clone, Copy, Debug)]
pub struct AsSent<'e>(pub Option<&'e Exchange>);

impl Bodies for AsSent<'_> {
    fn request(&self) -> Cow<'_, [u8]> {
        let body = self.0.and_then(|it| it.request.as_ref()).map(|it| it.body.kept.as_ref());
        Cow::Borrowed(body.unwrap_or_default())
    }

    fn response(&self) -> Cow<'_, [u8]> {
        let body = self.0.and_then(|it| it.response.as_ref()).map(|it| it.body.kept.as_ref());
        Cow::Borrowed(body.unwrap_or_default())
    }
}

impl Expr {
    /// Whether it holds of the flow.
    pub fn matches(&self, view: &FlowView<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(view)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(view)),
            Self::Not(part) => !part.matches(view),
            Self::Leaf(leaf) => leaf.matches(view),
        }
    }
}

impl Leaf {
    /// Whether it holds of the flow.
    pub fn matches(&self, view: &FlowView<'_>) -> bool {
        match &self.test {
            Test::Present => view.has(self.field),
            Test::Matches(_) | Test::Is(_) | Test::Begins(_) => {
                view.texts(self.field, &mut |text| self.test.holds(text))
            }
            Test::Number(numbers) => view.numbers(self.field, &mut |number| numbers.contains(number)),
        }
    }
}

impl Test {
    /// Whether it holds of a text. [`Test::Present`] holds of any, and a test of numbers of none.
    pub fn holds(&self, text: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Matches(pattern) => pattern.is_match(text),
            Self::Is(word) => text.eq_ignore_ascii_case(word.as_bytes()),
            Self::Begins(start) => {
                text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
            }
            Self::Number(_) => false,
        }
    }
}

//! The content of an exchange as filters look at it. In: an exchange. Out: its bodies with content codings undone, when asked for.

use std::borrow::Cow;

use sidelight_model::filter::Bodies;
use sidelight_model::flow::{Body, Exchange, Header};

use crate::content::Undone;

/// Bytes that a body may become; a filter looks no further.
const MOST_DECODED: usize = 8 << 20;

/// The bodies of an exchange, content codings undone as far as they were kept.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'e>(pub Option<&'e Exchange>);

impl Bodies for Contents<'_> {
    fn request(&self) -> Cow<'_, [u8]> {
        let request = self.0.and_then(|it| it.request.as_ref());
        request.map_or(Cow::Borrowed(&[]), |it| undone(&it.headers, &it.body))
    }

    fn response(&self) -> Cow<'_, [u8]> {
        let response = self.0.and_then(|it| it.response.as_ref());
        response.map_or(Cow::Borrowed(&[]), |it| undone(&it.headers, &it.body))
    }
}

fn undone<'b>(headers: &[Header], body: &'b Body) -> Cow<'b, [u8]> {
    if !headers.iter().any(|header| header.is("content-encoding")) {
        return Cow::Borrowed(&body.kept);
    }
    Cow::Owned(Undone::read(headers, body, MOST_DECODED).bytes)
}

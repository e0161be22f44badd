//! The bytes of a blob as they come. In: the answer that begins it. Out: its pieces; where a transfer breaks it goes on by a range, as
//! long as anything comes.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::event::Event;
use super::http::Answer;
use super::{Client, RegistryError};

/// How often in a row a transfer is taken up again without a byte having come.
const FRUITLESS: usize = 3;

/// How often it is taken up again at all.
const MOST_RESUMED: usize = 50;

/// A blob that streams.
pub struct Blob {
    client: Arc<Client>,
    digest: String,
    answer: Option<Answer>,
    length: Option<u64>,
    at: u64,
    /// Bytes to leave out: they came before.
    skip: u64,
    fruitless: usize,
    resumed: usize,
}

impl Blob {
    pub(super) fn new(client: Arc<Client>, digest: String, answer: Answer) -> Self {
        let length = answer.length();
        Self { client, digest, answer: Some(answer), length, at: 0, skip: 0, fruitless: 0, resumed: 0 }
    }

    /// Its length in bytes, where the registry says it.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When it breaks off and cannot be had further.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let Some(answer) = &mut self.answer else { return Ok(None) };
            let why = match answer.piece().await {
                Ok(Some(mut piece)) => {
                    let left_out = self.skip.min(piece.len() as u64);
                    self.skip -= left_out;
                    piece.advance(usize::try_from(left_out).unwrap_or(piece.len()));
                    if piece.is_empty() {
                        continue;
                    }
                    self.at += piece.len() as u64;
                    self.fruitless = 0;
                    return Ok(Some(piece));
                }
                Ok(None) if self.length.is_none_or(|length| self.at >= length) => {
                    if let Some(answer) = self.answer.take() {
                        answer.give_back(&self.client);
                    }
                    return Ok(None);
                }
                Ok(None) => "it ended too early".to_owned(),
                Err(why) => why,
            };
            self.resume(why).await?;
        }
    }

    async fn resume(&mut self, why: String) -> Result<(), RegistryError> {
        let url = self.answer.take().map(|answer| answer.url);
        self.fruitless += 1;
        self.resumed += 1;
        if self.fruitless > FRUITLESS || self.resumed > MOST_RESUMED {
            let url = url.unwrap_or_else(|| self.client.url(&format!("blobs/{}", self.digest)));
            let of = self.length.map_or(String::new(), |length| format!(" of {length}"));
            let why = format!("it broke off after {}{of} bytes, again and again: {why}", self.at);
            return Err(RegistryError::Broken { url, why });
        }
        let (what, at) = (self.digest.clone(), self.at);
        self.client.tell(|| Event::Resumed { what, at, why });
        let (answer, skip) = self.client.blob_from(&self.digest, self.at).await?;
        self.answer = Some(answer);
        self.skip = skip;
        Ok(())
    }
}

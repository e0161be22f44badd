//! Whether content has the digest that names it. In: requests in order. Out: [`Digest`]. Spec: OCI image-spec 1.1 "Digests".
//!
//! Uploads come in chunks, and downloads that broke off are resumed: both are hashed as they pass, a bounded number at a time.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256, Sha512};
use sidelight_model::flow::{Body, Header, Request, Response};
use sidelight_model::registry::seen::{Asks, Digest, Place, Seen};

use super::content::whole;

/// Uploads and broken downloads that are hashed at a time.
const MOST_OPEN: usize = 256;

/// What passed of an upload or download so far.
#[derive(Clone, Debug, Default)]
struct Part {
    hash: Sha256,
    length: u64,
    /// Something of it was not recorded.
    broken: bool,
    /// The hash of the one chunk that it is, made before anything of it was dropped.
    only: Option<[u8; 32]>,
    turn: u64,
}

/// Hashes that go on.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    open: HashMap<Place, Part>,
    downloads: HashMap<String, Part>,
    turn: u64,
}

impl Uploads {
    /// Compares what passed with the digest that it should have. `wanted`: that of the blob which is read.
    pub(super) fn check(
        &mut self,
        seen: &Seen,
        wanted: &str,
        request: &Request,
        response: Option<&Response>,
    ) -> Digest {
        if seen.partial {
            return Digest::NotCompared;
        }
        self.turn += 1;
        match (&seen.asks, &*seen.method) {
            (Asks::Manifest { reference, .. }, "GET") if seen.is_ok() => {
                response.map_or(Digest::NotCompared, |it| manifest(seen, reference, it))
            }
            (Asks::Manifest { reference, .. }, "PUT") => {
                let named = seen.says.digest.as_deref().filter(|it| is_digest(it));
                let digest = named.or_else(|| Some(reference.as_str()).filter(|it| is_digest(it)));
                digest.map_or(Digest::NotCompared, |digest| one(digest, &request.headers, &request.body))
            }
            (Asks::Blob { .. } | Asks::Redirected, "GET") if !wanted.is_empty() => {
                response.map_or(Digest::NotCompared, |it| self.download(seen, wanted, it))
            }
            (Asks::UploadStart { digest: Some(digest), from: None, .. }, "POST") if request.body.length > 0 => {
                one(digest, &request.headers, &request.body)
            }
            (Asks::UploadChunk { .. }, _) if seen.is_ok() => self.chunk(seen, request),
            (Asks::UploadEnd { digest, .. }, _) => self.end(seen, digest, request),
            _ => Digest::NotCompared,
        }
    }

    fn chunk(&mut self, seen: &Seen, request: &Request) -> Digest {
        let mut part = self.open.remove(&seen.place.site()).unwrap_or_default();
        part.add(&request.body);
        part.turn = self.turn;
        let next = seen.says.location.as_ref().unwrap_or(&seen.place).site();
        bound(&mut self.open);
        self.open.insert(next, part);
        Digest::NotCompared
    }

    fn end(&mut self, seen: &Seen, digest: &str, request: &Request) -> Digest {
        let part = self.open.remove(&seen.place.site());
        match part {
            None if request.body.length > 0 => one(digest, &request.headers, &request.body),
            None => Digest::NotCompared,
            Some(mut part) => {
                part.add(&request.body);
                if !seen.is_ok() && part.broken && part.only.is_none() {
                    return Digest::NotCompared;
                }
                part.compare(digest)
            }
        }
    }

    fn download(&mut self, seen: &Seen, digest: &str, response: &Response) -> Digest {
        let is_whole = seen.cut.is_none() && seen.announced.is_none_or(|it| it == seen.received);
        match response.status {
            200 if is_whole => {
                self.downloads.remove(digest);
                one(digest, &response.headers, &response.body)
            }
            // The beginning of one that will be resumed.
            200 => self.begin(digest, response),
            206 if seen.says.range.as_deref().and_then(content_range).is_some_and(|(from, _)| from == 0) => {
                self.begin(digest, response);
                self.resumed(seen, digest, is_whole)
            }
            206 => self.resume(seen, digest, response, is_whole),
            _ => Digest::NotCompared,
        }
    }

    fn resume(&mut self, seen: &Seen, digest: &str, response: &Response, is_whole: bool) -> Digest {
        let range = seen.says.range.as_deref().and_then(content_range);
        let part = self.downloads.get_mut(digest).filter(|part| range.is_some_and(|(from, _)| from == part.length));
        // Who reads a piece alone has nothing to compare.
        let Some(part) = part else { return Digest::NotCompared };
        part.add(&response.body);
        self.resumed(seen, digest, is_whole)
    }

    /// Compares, if this was the last piece.
    fn resumed(&self, seen: &Seen, digest: &str, is_whole: bool) -> Digest {
        let all = seen.says.range.as_deref().and_then(content_range).and_then(|it| it.1);
        let part = self.downloads.get(digest).filter(|part| is_whole && all == Some(part.length));
        part.map_or(Digest::NotCompared, |part| part.compare(digest))
    }

    fn begin(&mut self, digest: &str, response: &Response) -> Digest {
        let mut part = Part { turn: self.turn, ..Part::default() };
        part.add(&response.body);
        bound(&mut self.downloads);
        self.downloads.insert(digest.to_owned(), part);
        Digest::NotCompared
    }
}

impl Part {
    fn add(&mut self, body: &Body) {
        if body.length == 0 {
            return;
        }
        self.only = body.sha256.filter(|_| self.length == 0);
        self.broken |= (body.kept.len() as u64) < body.length;
        self.hash.update(&body.kept);
        self.length = self.length.saturating_add(body.length);
    }

    fn compare(&self, digest: &str) -> Digest {
        if let (Some(hash), true) = (self.only, digest.starts_with("sha256:")) {
            return verdict(digest, &format!("sha256:{}", HEXLOWER.encode(&hash)));
        }
        if self.broken || !digest.starts_with("sha256:") {
            return Digest::NotRecorded;
        }
        verdict(digest, &format!("sha256:{}", HEXLOWER.encode(&self.hash.clone().finalize())))
    }
}

/// Takes the oldest out of a map that is full.
fn bound<K: Clone + Eq + std::hash::Hash>(open: &mut HashMap<K, Part>) {
    if open.len() >= MOST_OPEN
        && let Some(oldest) = open.iter().min_by_key(|(_, part)| part.turn).map(|(key, _)| key.clone())
    {
        open.remove(&oldest);
    }
}

fn verdict(expected: &str, found: &str) -> Digest {
    if expected.eq_ignore_ascii_case(found) {
        Digest::Holds
    } else {
        Digest::Differs { expected: expected.to_owned(), found: found.to_owned() }
    }
}

/// One body against its digest.
fn one(digest: &str, headers: &[Header], body: &Body) -> Digest {
    let is_coded = headers.iter().any(|it| it.is("content-encoding"));
    if let (Some(hash), true, false) = (body.sha256, digest.starts_with("sha256:"), is_coded) {
        return verdict(digest, &format!("sha256:{}", HEXLOWER.encode(&hash)));
    }
    let bytes = match whole(headers, body) {
        Some(bytes) => bytes,
        None if body.length == 0 => Vec::new(),
        None => return Digest::NotRecorded,
    };
    match digest.split_once(':') {
        Some(("sha256", _)) => verdict(digest, &format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&bytes)))),
        Some(("sha512", _)) => verdict(digest, &format!("sha512:{}", HEXLOWER.encode(&Sha512::digest(&bytes)))),
        _ => Digest::NotCompared,
    }
}

/// A manifest against the digest by which it was asked for, and against the one that the registry names.
fn manifest(seen: &Seen, reference: &str, response: &Response) -> Digest {
    let named = seen.says.digest.as_deref().filter(|it| is_digest(it));
    let asked = Some(reference).filter(|it| is_digest(it));
    let mut result = Digest::NotCompared;
    for digest in [asked, named].into_iter().flatten() {
        result = one(digest, &response.headers, &response.body);
        if matches!(result, Digest::Differs { .. }) {
            break;
        }
    }
    result
}

fn is_digest(text: &str) -> bool {
    sidelight_model::registry::is_digest(text)
}

/// `bytes 5-9/10`, or `5-9`: the first byte, and the length of the whole.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim().strip_prefix("bytes").map_or(text.trim(), str::trim_start);
    let (range, all) = text.split_once('/').unwrap_or((text, ""));
    Some((range.split_once('-')?.0.parse().ok()?, all.parse().ok()))
}

//! What registries, token servers, credential helpers and login files say. In: bytes. Out: broken promises.

use sidelight_model::registry::Reference;
use sidelight_wire::http1::{EditHeads, Editing, RequestHead, ResponseHead};
use sidelight_wire::registry::{
    LoginFile, Stored, named_origins, parse_challenges, parse_errors, parse_helper_answer, parse_token,
    request_for_registry, response_for_client,
};

/// Bounded, without panic; no token that a header cannot carry, no helper outside the PATH, no name that reads back as another.
pub fn registry(data: &[u8]) {
    assert!(parse_errors(data).len() <= 16);
    if let Ok(token) = parse_token(data) {
        assert!(token.token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) && token.expires_in >= 60);
    }
    if let Ok(login) = parse_helper_answer(data) {
        assert!(!format!("{login:?}").is_empty());
    }
    if let Ok(file) = LoginFile::parse(data) {
        for stored in file.find("r.test", "team/app").into_iter().flatten() {
            if let Stored::Helper { name, keys } = stored {
                assert!(!name.contains('/') && !name.is_empty() && !keys.is_empty(), "{name:?}");
            }
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let challenges = parse_challenges(text);
    assert!(challenges.len() <= 16 && challenges.iter().all(|challenge| challenge.params.len() <= 16));
    if let Ok(reference) = text.parse::<Reference>() {
        let written = reference.to_string();
        assert_eq!(written.parse::<Reference>().as_ref(), Ok(&reference), "{written}");
        assert!(!written.contains(|c: char| c.is_control() || c.is_whitespace()), "{written:?}");
    }
}

/// However the bytes of a conversation are cut, the same heads come out; bodies, and what is not HTTP, pass as they are; a head grows by
/// no more than the ports that stand in it.
pub fn local_port(data: &[u8]) {
    let whole = edited(data, usize::MAX);
    for size in [1, 7] {
        assert_eq!(edited(data, size), whole, "cut into pieces of {size}");
    }
}

/// Both directions of a conversation, as the service and as the client get them.
fn edited(data: &[u8], size: usize) -> [Vec<u8>; 2] {
    let mut editing = Editing::new(Moving);
    let [mut up, mut down] = [Vec::new(), Vec::new()];
    for (is_service, bytes) in super::turns(data) {
        for piece in bytes.chunks(size.min(bytes.len()).max(1)) {
            match is_service {
                true => editing.service_said(piece, &mut down),
                false => editing.client_said(piece, &mut up),
            }
        }
    }
    editing.client_ended(&mut up);
    editing.service_ended(&mut down);
    [up, down]
}

/// A local port that follows every host.
struct Moving;

impl EditHeads for Moving {
    fn request(&mut self, head: &RequestHead) -> Option<Vec<u8>> {
        let written = request_for_registry(head, "r.test", "http://127.0.0.1:1", false);
        assert!(written.len() <= head.raw.len() + 64);
        Some(written)
    }

    fn response(&mut self, head: &ResponseHead) -> Option<Vec<u8>> {
        assert!(named_origins(head.status, &head.headers).len() <= head.headers.len());
        let (written, moved) = response_for_client(head, &mut |origin| {
            assert!(origin.starts_with("http") && origin.bytes().all(|byte| byte.is_ascii_graphic()), "{origin:?}");
            Some("http://127.0.0.2:2".to_owned())
        })?;
        assert!(!moved.is_empty() && written.len() <= head.raw.len() + 32 * moved.len());
        Some(written)
    }
}

//! What registries, token servers, credential helpers and login files say. In: bytes. Out: broken promises.

use sidelight_model::registry::Reference;
use sidelight_wire::registry::{LoginFile, Stored, parse_challenges, parse_errors, parse_helper_answer, parse_token};

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

//! Captures of other tools: flow files of mitmproxy and content logs of sslsplit. In: bytes of a file. Out: broken promises.

use sidelight_wire::flow_decoder::Limits;
use sidelight_wire::mitmproxy::tnetstring::{self, Head, Value};
use sidelight_wire::mitmproxy::{Content, read};
use sidelight_wire::sslsplit;

/// Values lie in the input; bodies and messages are no longer than it, and kept up to the limit.
pub fn mitmproxy(data: &[u8]) {
    if let Head::Value { head, .. } = tnetstring::head(data) {
        assert!(head >= 2 && head <= data.len());
    }
    let Ok((value, rest)) = tnetstring::value(data) else { return };
    assert!(rest.len() < data.len());
    assert!(weight(&value) <= data.len(), "more content than bytes");
    let limits = Limits { body_kept: 16, ..Limits::default() };
    let Ok(flow) = read(&value, limits) else { return };
    match flow.content {
        Content::Http(http) => {
            let bodies = [http.exchange.request.map(|it| it.body), http.exchange.response.map(|it| it.body)];
            assert!(bodies.iter().flatten().all(|body| body.kept.len() <= 16));
            assert!(http.messages.iter().all(|message| message.kept.len() <= 16));
        }
        Content::Tcp(messages) => {
            assert!(messages.iter().map(|message| message.bytes.len()).sum::<usize>() <= data.len());
        }
        Content::Other(kind) => assert!(kind.len() <= 3 * data.len()),
    }
}

fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Dict(members) => members.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        _ => 0,
    }
}

/// A head lies in the input and is bounded; what is found after damage is a head, and the first one.
pub fn sslsplit(data: &[u8]) {
    if let Some(head) = sslsplit::head(data) {
        assert!(head.length <= sslsplit::MOST_HEAD && data[head.length - 1] == b'\n');
        assert_eq!(sslsplit::find(data), Some(0));
    }
    if let Some(at) = sslsplit::find(data) {
        assert!(sslsplit::head(&data[at..]).is_some());
        assert!((0..at).all(|earlier| sslsplit::head(&data[earlier..]).is_none()));
    }
}

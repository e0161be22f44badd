//! Exchanges as bytes again. In: exchanges and messages. Out: what a wire could have carried: HTTP/1, HTTP/2 frames, WebSocket frames. Spec: RFC 9112, RFC 9113, RFC 7541, RFC 6455.

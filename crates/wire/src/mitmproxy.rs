//! Flow files of mitmproxy. In: tnetstrings. Out: flows.

//! Every operator of the filter language: the one table that the parser, the program's list and docs/filters.md share.
//! In: nothing. Out: [`OPERATORS`].

use super::field::Field;

/// What may follow an operator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    /// Nothing.
    None,
    /// A regular expression.
    Regex,
    /// A number, a comparison or a range.
    Number,
    /// The same, or nothing.
    OptionalNumber,
    /// The beginning of a hexadecimal number.
    Hex,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// One of these words, or nothing.
    OptionalWord(fn() -> Vec<&'static str>),
    /// Any word.
    AnyWord,
}

/// Where operators are listed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What kind of flow it is.
    Kind,
    /// HTTP.
    Http,
    /// Sizes and times.
    Measure,
    /// Addresses, names and programs.
    Party,
    /// TLS and certificates.
    Tls,
    /// What went wrong.
    Fault,
    /// Registries.
    Registry,
    /// What mitmproxy knows and sidelight does not record.
    Never,
}

impl Group {
    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kind => "Kinds of flows",
            Self::Http => "HTTP",
            Self::Measure => "Sizes, times and numbers",
            Self::Party => "Addresses, names and programs",
            Self::Tls => "TLS and certificates",
            Self::Fault => "What went wrong",
            Self::Registry => "Registries",
            Self::Never => "Known to mitmproxy, and never true here",
        }
    }
}

/// An operator, for people.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Its name, without the tilde.
    pub name: &'static str,
    /// What follows it, such as `RE`; empty when nothing does.
    pub argument: &'static str,
    /// What it selects, in one clause.
    pub meaning: &'static str,
    /// A filter that uses it.
    pub example: &'static str,
    /// Where it is listed.
    pub group: Group,
    /// What it looks at.
    pub field: Field,
    pub(super) takes: Argument,
}

macro_rules! operators {
    ($($group:ident { $($name:literal $argument:literal $field:ident $takes:expr, $meaning:literal, $example:literal;)* })*) => {
        /// Every operator, in the order of the list.
        pub(super) static OPERATORS: &[Operator] = &[$($(Operator {
            name: $name,
            argument: $argument,
            meaning: $meaning,
            example: $example,
            group: Group::$group,
            field: Field::$field,
            takes: $takes,
        },)*)*];
    };
}

fn causes() -> Vec<&'static str> {
    crate::finding::Cause::ALL.iter().map(|cause| cause.code()).collect()
}

fn parties() -> Vec<&'static str> {
    crate::finding::Party::ALL.iter().map(|party| party.name()).collect()
}

fn fates() -> Vec<&'static str> {
    crate::flow::Fate::ALL.iter().map(|fate| fate.name()).collect()
}

fn anomalies() -> Vec<&'static str> {
    crate::flow::AnomalyKind::ALL.iter().map(|kind| kind.name()).collect()
}

fn registry_kinds() -> Vec<&'static str> {
    super::registry::Kind::ALL.iter().map(|kind| kind.name()).chain(["any"]).collect()
}

use Argument::{AnyWord, Hex, None, Number, OptionalNumber, OptionalWord, Regex, Word};

operators! {
    Kind {
        "all" "" All None, "every flow", "~all";
        "http" "" Http None, "HTTP exchanges", "~http & ~d example.test";
        "websocket" "" WebSocket None, "exchanges that became a WebSocket", "~websocket & ~b subscribe";
        "sse" "" EventStream None, "event streams (text/event-stream)", "~sse";
        "grpc" "[STATUS]" Grpc OptionalNumber, "gRPC calls; with a status, by number or name, those that ended with it", "~grpc unavailable";
        "tcp" "" Tcp None, "connections of which no HTTP exchange was seen: relayed, failed, or another protocol", "~tcp & ~dst :5432";
        "q" "" Unanswered None, "requests without a response", "~q";
        "s" "" Answered None, "requests with a response", "~s & ~t json";
        "e" "" Error None, "whatever went wrong: cut, undecodable, failed, or with a finding", "~e";
        "cut" "" Cut None, "cut before its end by either side", "~cut & ~bs .";
        "a" "" Asset None, "style sheets, scripts, images and fonts, by the response's Content-Type", "!~a";
    }
    Http {
        "u" "RE" Url Regex, "the URL; an expression without operator means the same", "~u /v2/.+/manifests/";
        "d" "RE" Domain Regex, "the host: of the target, of the Host field, or the server name of a connection that was not opened", "~d registry\\.test$";
        "m" "RE" Method Regex, "the method", "~m \"^(POST|PUT)$\"";
        "c" "STATUS" Status Number, "the status code: one, a class, a comparison or a range", "~c 4xx | ~c >= 500";
        "h" "RE" Header Regex, "a line `Name: value` of the head of request or response", "~h ^x-request-id:";
        "hq" "RE" RequestHeader Regex, "the same, of the request", "~hq \"^authorization: Bearer\"";
        "hs" "RE" ResponseHeader Regex, "the same, of the response", "~hs ^www-authenticate:";
        "t" "RE" ContentType Regex, "the Content-Type of request or response", "~t json";
        "tq" "RE" RequestContentType Regex, "the Content-Type of the request", "~tq form";
        "ts" "RE" ResponseContentType Regex, "the Content-Type of the response", "~ts ^text/html";
        "b" "RE" Body Regex, "content of request or response, codings undone as far as it was kept, or a message (WebSocket, gRPC, event), or raw data", "~b insufficient_scope";
        "bq" "RE" RequestBody Regex, "the same, from the client", "~bq grant_type=refresh_token";
        "bs" "RE" ResponseBody Regex, "the same, from the service", "~bs \"\\\"errors\\\"\"";
    }
    Measure {
        "size" "SIZE" Size Number, "bytes of content, both directions together", "~size > 1MB";
        "reqsize" "SIZE" RequestSize Number, "bytes of content from the client", "~reqsize >= 64KiB";
        "respsize" "SIZE" ResponseSize Number, "bytes of content from the service", "~respsize = 0 & ~c 200";
        "ttfb" "DURATION" FirstByte Number, "time from the first byte of the request to the first of the response", "~ttfb > 200ms";
        "time" "DURATION" Total Number, "time from the first byte to the last", "~time > 1s";
        "at" "TIME" At Number, "when it began: a time of the day, a date, or both", "~at 12:00..12:05";
        "id" "N" Id Number, "the number of the flow in its recording", "~id 120..140";
        "conn" "N" Conn Number, "the number of its connection", "~conn 7";
    }
    Party {
        "src" "RE" Source Regex, "the client's `address:port`", "~src ^10\\.";
        "dst" "RE" Destination Regex, "the target's `host:port`, or the `address:port` at which it was reached", "~dst :8443$";
        "process" "RE" Process Regex, "the name or path of the local program behind it", "~process /bin/curl$";
        "pid" "N" Pid Number, "the process ID of that program", "~pid 4711";
        "container" "ID" Container Hex, "the ID of its container, or the beginning of it", "~container 3f9c2a";
        "mode" "NAME" Mode AnyWord, "the way it came in (`explicit`, `transparent` …) or the format it was imported from", "~mode transparent";
    }
    Tls {
        "tls" "[VERSION]" Tls OptionalNumber, "TLS on either side; with a version, one side used it", "~tls < 1.3";
        "cipher" "RE" Cipher Regex, "the cipher suite of either side, by its IANA name", "~cipher CHACHA20";
        "alpn" "RE" Alpn Regex, "the application protocol of either side; of TLS that was left alone, one that the client offered", "~alpn ^h2$";
        "sni" "RE" Sni Regex, "the server name that the client sent", "~sni \\.internal$";
        "ja3" "HASH" Ja3 Hex, "JA3 of the client's hello, or the beginning of it", "~ja3 e7d705a3286e19ea42f587b344ee6865";
        "ja4" "RE" Ja4 Regex, "JA4 of the client's hello", "~ja4 ^t13d";
        "verified" "" Verified None, "the service's certificate was checked and is trusted", "~tls & !~verified";
        "expires" "DURATION" ExpiresIn Number, "how long the service's certificate is valid from now on; negative when it has expired; or a date", "~expires < 30d";
        "issuer" "RE" Issuer Regex, "the issuer of the service's certificate", "~issuer \"Let's Encrypt\"";
        "subject" "RE" Subject Regex, "the subject or an alternative name of the service's certificate", "~subject \\*\\.example\\.test";
        "cert" "SHA256" Certificate Hex, "the fingerprint of any certificate that the service showed, or the beginning of it", "~cert 5a:03:9f";
    }
    Fault {
        "cause" "CODE" Cause Word(causes), "a finding of this cause (docs/causes.md)", "~cause root_not_trusted";
        "fault" "PARTY" Fault Word(parties), "a finding that says who has to change something", "~fault server";
        "fate" "NAME" Fate Word(fates), "what became of its connection", "~fate relayed";
        "anomaly" "[KIND]" Anomaly OptionalWord(anomalies), "not as the specification has it: anything, or one kind", "~anomaly length_and_chunked";
    }
    Registry {
        "registry" "[KIND]" Registry OptionalWord(registry_kinds), "a registry's API: `pull`, `push`, `delete`, `login` (the API check, and tokens), or `any`", "~registry push & ~c >= 400";
        "image" "RE" Image Regex, "the repository in a registry's URL: alone, or with host and tag or digest", "~image ^library/alpine$";
    }
    Never {
        "marked" "" Marked None, "marked flows", "!~marked";
        "marker" "RE" Marker Regex, "flows with this marker", "!~marker star";
        "replay" "" Replayed None, "replayed flows", "!~replay";
        "replayq" "" ReplayedRequest None, "replayed requests", "!~replayq";
        "replays" "" ReplayedResponse None, "replayed responses", "!~replays";
        "comment" "RE" Comment Regex, "the flow's comment", "!~comment x";
        "meta" "RE" Metadata Regex, "the flow's metadata", "!~meta x";
        "udp" "" Udp None, "UDP flows", "!~udp";
        "dns" "" Dns None, "DNS flows", "!~dns";
    }
}

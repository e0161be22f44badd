//! What each field of a filter is in the columns of a recording. In: tests. Out: SQL, or what is known of it.

use sidelight_model::filter::{Field, Leaf, Numbers, Test};

use super::super::entry::{CONNECTION, EXCHANGE, flag};
use super::{Bound, Holds, Selection, range};

/// Media types of assets, as filters have them.
const ASSETS: [&str; 7] = [
    "text/javascript",
    "application/x-javascript",
    "application/javascript",
    "text/css",
    "image/",
    "font/",
    "application/font",
];

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// How the connection ended, as far as that is known by now.
const HOW: &str = "(SELECT how FROM connection AS last WHERE last.conn = flow.conn ORDER BY last.id DESC LIMIT 1)";

/// What became of the connection: `Fate::of` in SQL.
fn fate() -> String {
    format!(
        "CASE WHEN connection.verdict = 'refuse' THEN 'refused' WHEN {HOW} = 'failed' THEN 'failed'
            WHEN connection.verdict = 'relay' THEN 'relayed' WHEN connection.verdict = 'plain' THEN 'plain'
            WHEN connection.verdict = 'intercept' AND connection.client_tls IS NOT NULL THEN 'decrypted'
            ELSE 'failed' END"
    )
}

const METHOD: &str = "(SELECT name FROM method WHERE id = flow.method)";

/// A condition on either side of TLS.
fn sides(condition: &str) -> String {
    let these = format!("(SELECT id FROM tls WHERE {condition})");
    format!("(connection.server_tls IN {these} OR connection.client_tls IN {these})")
}

/// A condition on the leaf that the service showed.
fn leaf(condition: &str) -> String {
    format!(
        "connection.server_tls IN (SELECT tls.id FROM tls JOIN certificate ON certificate.id = tls.leaf
             WHERE {condition})"
    )
}

/// A content type that holds one of these.
fn content_type(column: &str, parts: &[&str]) -> String {
    let like: Vec<String> = parts.iter().map(|part| format!("value LIKE '%{part}%'")).collect();
    format!("flow.{column} IN (SELECT id FROM content_type WHERE {})", like.join(" OR "))
}

impl Selection<'_> {
    /// A test of numbers.
    pub(super) fn number(&mut self, field: Field, numbers: Numbers, bound: Bound) -> String {
        let now = self.now.0;
        match field {
            Field::Status => range("flow.status", numbers),
            Field::Size => range("(flow.request_size + flow.response_size)", numbers),
            Field::RequestSize => range("flow.request_size", numbers),
            Field::ResponseSize => range("flow.response_size", numbers),
            Field::FirstByte => range("max(flow.response_start - flow.started, 0)", numbers),
            Field::Total => range("max(flow.ended - flow.started, 0)", numbers),
            Field::Tls => sides(&range("version", numbers)),
            Field::Grpc => self.at_least(format!("flow.flags & {}", flag::GRPC), bound),
            Field::Pid => {
                format!("connection.process IN (SELECT id FROM process WHERE {})", range("pid", numbers))
            }
            Field::Conn => format!("(flow.conn >= 0 AND {})", range("flow.conn", numbers)),
            Field::Id => range("flow.id", numbers),
            Field::At => range("flow.started", numbers),
            Field::TimeOfDay => range(&format!("((flow.started % {DAY} + {DAY}) % {DAY})"), numbers),
            Field::ExpiresAt => leaf(&range("certificate.not_after", numbers)),
            Field::ExpiresIn => leaf(&range(&format!("(certificate.not_after - {now})"), numbers)),
            _ => "0".to_owned(),
        }
    }

    /// Whether there is a value.
    pub(super) fn present(&mut self, it: &Leaf, bound: Bound) -> rusqlite::Result<String> {
        Ok(match it.field {
            Field::All => "1".to_owned(),
            field if field.is_never() => "0".to_owned(),
            Field::Http => format!("flow.kind = {EXCHANGE}"),
            Field::Tcp => format!("flow.kind = {CONNECTION}"),
            Field::Answered => "flow.status IS NOT NULL".to_owned(),
            Field::Unanswered => format!("(flow.kind = {EXCHANGE} AND flow.status IS NULL)"),
            Field::Error => format!(
                "(flow.outcome IN ('cut', 'undecodable') OR connection.cause IS NOT NULL
                    OR (flow.kind = {CONNECTION} AND {HOW} IN ('client_cut', 'server_cut', 'failed'))
                    OR flow.conn IN (SELECT conn FROM finding))"
            ),
            Field::Cut => format!(
                "(flow.outcome = 'cut' OR (flow.kind = {CONNECTION} AND {HOW} IN ('client_cut', 'server_cut')))"
            ),
            Field::Verified => "connection.server_tls IN (SELECT id FROM tls WHERE verified)".to_owned(),
            Field::Tls => "(connection.server_tls IS NOT NULL OR connection.client_tls IS NOT NULL
                OR connection.hello IS NOT NULL OR flow.scheme = 'https')"
                .to_owned(),
            Field::WebSocket => {
                let messages = "flow.conn IN (SELECT conn FROM message WHERE kind = 'websocket')";
                self.at_least(format!("(flow.outcome = 'upgraded' OR {messages})"), bound)
            }
            Field::EventStream => {
                let named = content_type("response_type", &["text/event-stream"]);
                let messages = "flow.conn IN (SELECT conn FROM message WHERE kind = 'sse')";
                self.at_least(format!("({named} OR {messages} OR flow.flags & {})", flag::ODD), bound)
            }
            Field::Grpc => {
                let named = content_type("request_type", &["application/grpc"]);
                self.but_odd(&format!("flow.flags & {} OR {named}", flag::GRPC), bound)
            }
            Field::Asset => self.but_odd(&content_type("response_type", &ASSETS), bound),
            Field::Anomaly => self.anomalies(bound),
            Field::Pid => "connection.process IS NOT NULL".to_owned(),
            Field::Registry => self.registry(&it.test)?,
            _ => self.unknown(bound),
        })
    }

    fn anomalies(&mut self, bound: Bound) -> String {
        let messages = "flow.conn IN (SELECT conn FROM message WHERE kind = 'anomaly')";
        self.at_least(format!("(flow.flags & {} OR {messages})", flag::ANOMALIES), bound)
    }

    fn registry(&mut self, test: &Test) -> rusqlite::Result<String> {
        let holds = self.test_registry(test)?;
        Ok(format!("(flow.path IS NOT NULL AND {holds}({METHOD}, flow.path))"))
    }

    /// A test of texts.
    pub(super) fn text(&mut self, it: &Leaf, bound: Bound) -> rusqlite::Result<String> {
        let test = &it.test;
        Ok(match it.field {
            field if field.is_never() => "0".to_owned(),
            Field::Url => {
                let holds = self.test_url(test)?;
                self.but_odd(&format!("{holds}((SELECT prefix FROM site WHERE id = flow.site), flow.path)"), bound)
            }
            Field::Method => {
                let holds = self.test(test, Holds::Bytes)?;
                format!("flow.method IN (SELECT id FROM method WHERE {holds}(name))")
            }
            Field::Domain => self.domain(test, bound)?,
            Field::RequestContentType => self.content_type(test, &["request_type"], bound)?,
            Field::ResponseContentType => self.content_type(test, &["response_type"], bound)?,
            Field::ContentType => self.content_type(test, &["request_type", "response_type"], bound)?,
            Field::Header | Field::RequestHeader | Field::ResponseHeader => {
                self.at_least(format!("flow.kind = {EXCHANGE}"), bound)
            }
            Field::Source => format!("{}(connection.client)", self.test_address(test)?),
            Field::Destination => {
                let (target, upstream) = (self.test_authority(test)?, self.test_address(test)?);
                format!(
                    "({target}((SELECT name FROM host WHERE id = connection.target_host),
                         CAST(connection.target_port AS TEXT)) OR {upstream}(connection.upstream))"
                )
            }
            Field::Process => {
                let holds = self.test(test, Holds::Text)?;
                format!("connection.process IN (SELECT id FROM process WHERE {holds}(name) OR {holds}(exe))")
            }
            Field::Container => {
                let holds = self.test(test, Holds::Text)?;
                format!("connection.process IN (SELECT id FROM process WHERE {holds}(container))")
            }
            Field::Mode => format!("{}(connection.mode)", self.test(test, Holds::Text)?),
            Field::Fate => format!("{}({})", self.test(test, Holds::Text)?, fate()),
            Field::Cause => {
                let holds = self.test(test, Holds::Text)?;
                let all = format!("flow.conn IN (SELECT conn FROM finding WHERE {holds}(cause))");
                format!("({all} OR {holds}(connection.cause))")
            }
            Field::Fault => {
                let holds = self.test(test, Holds::Text)?;
                let all = format!("flow.conn IN (SELECT conn FROM finding WHERE {holds}(fault))");
                format!("({all} OR {holds}(json_extract(connection.finding, '$.fault')))")
            }
            Field::Anomaly => self.anomalies(bound),
            Field::Registry => self.registry(test)?,
            Field::Image => {
                let is_one = self.registry(&Test::Present)?;
                self.at_least(is_one, bound)
            }
            _ => return self.tls_text(it, bound),
        })
    }

    /// A test of texts of TLS.
    fn tls_text(&mut self, it: &Leaf, bound: Bound) -> rusqlite::Result<String> {
        let test = &it.test;
        Ok(match it.field {
            Field::Cipher => sides(&format!("{}(cipher)", self.test(test, Holds::Text)?)),
            Field::Sni => self.server_names(test)?,
            Field::Alpn => {
                let holds = self.test(test, Holds::Bytes)?;
                let offered = format!(
                    "connection.server_tls IS NULL AND connection.client_tls IS NULL AND connection.hello IN
                        (SELECT hello.id FROM hello, json_each(hello.alpn) AS offer WHERE {holds}(offer.value))"
                );
                format!("({} OR ({offered}))", sides(&format!("{holds}(alpn)")))
            }
            Field::Ja3 | Field::Ja4 => {
                let column = if it.field == Field::Ja3 { "ja3" } else { "ja4" };
                let holds = self.test(test, Holds::Text)?;
                let known = format!("SELECT id FROM hello WHERE {column} <> '' AND {holds}({column})");
                format!("connection.hello IN ({known})")
            }
            Field::Issuer => leaf(&format!("{}(certificate.issuer)", self.test(test, Holds::Text)?)),
            Field::Subject => leaf(&format!("{}(certificate.der)", self.test_subject(test)?)),
            Field::Certificate => {
                let holds = self.test(test, Holds::Text)?;
                format!(
                    "connection.server_tls IN (SELECT tls.id FROM tls, json_each(tls.chain) AS link
                        JOIN certificate ON certificate.id = link.value
                        WHERE {holds}(lower(hex(certificate.sha256))))"
                )
            }
            _ => self.unknown(bound),
        })
    }

    fn server_names(&mut self, test: &Test) -> rusqlite::Result<String> {
        let holds = self.test(test, Holds::Text)?;
        let hello = format!("connection.hello IN (SELECT id FROM hello WHERE {holds}(sni))");
        Ok(format!("({hello} OR {})", sides(&format!("{holds}(sni)"))))
    }

    /// The host of the request or of the connection; of a connection without exchange, also the server name.
    fn domain(&mut self, test: &Test, bound: Bound) -> rusqlite::Result<String> {
        let holds = self.test(test, Holds::Text)?;
        let hosts = format!("(SELECT id FROM host WHERE {holds}(name))");
        let names = self.server_names(test)?;
        let target = format!("connection.target_host IN {hosts}");
        let said = format!("(flow.flags & {} AND {target})", flag::ELSEWHERE);
        let of_connection = format!("(flow.kind = {CONNECTION} AND ({target} OR {names}))");
        let of_exchange = format!("(flow.kind = {EXCHANGE} AND (flow.host IN {hosts} OR {said}))");
        Ok(self.but_odd(&format!("{of_exchange} OR {of_connection}"), bound))
    }

    fn content_type(&mut self, test: &Test, columns: &[&str], bound: Bound) -> rusqlite::Result<String> {
        let holds = self.test(test, Holds::Bytes)?;
        let types = format!("(SELECT id FROM content_type WHERE {holds}(value))");
        let each: Vec<String> = columns.iter().map(|column| format!("flow.{column} IN {types}")).collect();
        Ok(self.but_odd(&each.join(" OR "), bound))
    }
}

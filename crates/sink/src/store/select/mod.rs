//! Filters as SQL, as far as that goes. In: a filter. Out: a condition on rows of `flow`, and whether it says all.
//!
//! A test that columns can answer becomes a condition on numbers, or on the few rows of a table of names: a regular expression
//! runs over the hosts of a recording, not over its flows. What columns cannot answer becomes a condition that is true too often
//! rather than too rarely; then [`super::rows`] evaluates the filter on each flow that is left.

mod fields;

use std::cell::Cell;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use sidelight_model::filter::{Expr, Filter, Leaf, Numbers, Test, registry};
use sidelight_model::flow::Authority;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::{Certificate, San};

use super::entry::flag;
use super::latin1;

/// Which way an answer may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// True of every flow that is meant, and perhaps of others.
    Upper,
    /// True of no flow that is not meant, and perhaps not of all that are.
    Lower,
}

impl Bound {
    const fn other(self) -> Self {
        match self {
            Self::Upper => Self::Lower,
            Self::Lower => Self::Upper,
        }
    }

    /// What is said where nothing is known.
    const fn unknown(self) -> &'static str {
        match self {
            Self::Upper => "1",
            Self::Lower => "0",
        }
    }
}

/// A condition, and what is needed to evaluate it.
pub(super) struct Selection<'d> {
    db: &'d Connection,
    /// An SQL expression over `flow` and its `connection`; every flow that the filter means fulfils it.
    pub(super) condition: String,
    /// No other flow fulfils it, but for odd ones.
    pub(super) is_exact: bool,
    /// Flows with [`flag::ODD`] may fulfil it although they are not meant.
    pub(super) has_odd: bool,
    now: Timestamp,
    functions: Vec<String>,
}

/// The columns of a function's argument hold bytes as ISO 8859-1, or text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Bytes,
    Text,
}

impl<'d> Selection<'d> {
    /// The condition for `filter`. `now` is what durations are counted from.
    pub(super) fn of(db: &'d Connection, filter: Option<&Filter>, now: Timestamp) -> rusqlite::Result<Self> {
        let mut it = Self { db, condition: String::new(), is_exact: true, has_odd: false, now, functions: Vec::new() };
        it.condition = match filter {
            Some(filter) => it.expr(filter.expr(), Bound::Upper)?,
            None => "1".to_owned(),
        };
        Ok(it)
    }

    fn expr(&mut self, expr: &Expr, bound: Bound) -> rusqlite::Result<String> {
        Ok(match expr {
            Expr::All(parts) => self.joined(parts, " AND ", bound)?,
            Expr::Any(parts) => self.joined(parts, " OR ", bound)?,
            // NULL, where a flow has no value, counts as false.
            Expr::Not(part) => format!("(({}) IS NOT TRUE)", self.expr(part, bound.other())?),
            Expr::Leaf(leaf) => self.leaf(leaf, bound)?,
        })
    }

    fn joined(&mut self, parts: &[Expr], by: &str, bound: Bound) -> rusqlite::Result<String> {
        let parts: Vec<String> = parts.iter().map(|part| self.expr(part, bound)).collect::<rusqlite::Result<_>>()?;
        Ok(format!("({})", parts.join(by)))
    }

    fn leaf(&mut self, leaf: &Leaf, bound: Bound) -> rusqlite::Result<String> {
        match &leaf.test {
            Test::Number(numbers) => Ok(self.number(leaf.field, *numbers, bound)),
            Test::Present => self.present(leaf, bound),
            Test::Matches(_) | Test::Is(_) | Test::Begins(_) => self.text(leaf, bound),
        }
    }

    /// A condition that is true too often.
    fn at_least(&mut self, condition: impl Into<String>, bound: Bound) -> String {
        self.is_exact = false;
        if bound == Bound::Upper { condition.into() } else { "0".to_owned() }
    }

    /// Nothing is known.
    fn unknown(&mut self, bound: Bound) -> String {
        self.is_exact = false;
        bound.unknown().to_owned()
    }

    /// A condition that is right but of odd flows.
    fn but_odd(&mut self, condition: &str, bound: Bound) -> String {
        self.has_odd = true;
        match bound {
            Bound::Upper => format!("(({condition}) OR flow.flags & {})", flag::ODD),
            Bound::Lower => format!("(({condition}) AND NOT flow.flags & {})", flag::ODD),
        }
    }

    /// Makes an SQL function that answers with `answer`, and names it.
    fn function(
        &mut self,
        arguments: i32,
        answer: impl Fn(&[&[u8]]) -> bool + Send + 'static,
    ) -> rusqlite::Result<String> {
        thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });
        let number = COUNT.with(|count| count.replace(count.get().wrapping_add(1)));
        let name = format!("filter_{number}");
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
        self.db.create_scalar_function(name.as_str(), arguments, flags, move |context| {
            let mut values: [&[u8]; 2] = [&[], &[]];
            for (at, value) in values.iter_mut().enumerate().take(context.len()) {
                match context.get_raw(at) {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => *value = bytes,
                    // A flow without a value fulfils no test of it.
                    _ => return Ok(false),
                }
            }
            Ok(answer(values.get(..context.len()).unwrap_or_default()))
        })?;
        self.functions.push(name.clone());
        Ok(name)
    }

    /// A function of one column that says whether `test` holds of it.
    fn test(&mut self, test: &Test, holds: Holds) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(1, move |values| {
            let Some(value) = values.first() else { return false };
            if holds == Holds::Text || value.is_ascii() {
                return test.holds(value);
            }
            std::str::from_utf8(value).is_ok_and(|text| test.holds(&latin1::bytes(text)))
        })
    }

    /// A function of the two parts of a URL.
    fn test_url(&mut self, test: &Test) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(2, move |values| test.holds(&values.concat()))
    }

    /// A function of the text of a socket address.
    fn test_address(&mut self, test: &Test) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(1, move |values| {
            let text = values.first().and_then(|it| std::str::from_utf8(it).ok());
            let address = text.and_then(|it| it.parse::<std::net::SocketAddr>().ok());
            address.is_some_and(|it| holds_of(&test, &Authority::from(it)))
        })
    }

    /// A function of a host and a port.
    fn test_authority(&mut self, test: &Test) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(2, move |values| {
            let [host, port] = values else { return false };
            let port = std::str::from_utf8(port).ok().and_then(|it| it.parse().ok());
            let (Ok(host), Some(port)) = (std::str::from_utf8(host), port) else { return false };
            holds_of(&test, &Authority { host: super::load::host_of(host.to_owned()), port })
        })
    }

    /// A function of a certificate in DER: its subject, and its alternative names.
    fn test_subject(&mut self, test: &Test) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(1, move |values| {
            let Some(Ok(certificate)) = values.first().map(|der| Certificate::parse(der)) else { return false };
            test.holds(certificate.subject.as_bytes())
                || certificate.sans.iter().any(|san| match san {
                    San::Dns(name) | San::Other(name) => test.holds(name.as_bytes()),
                    San::Ip(address) => test.holds(address.to_string().as_bytes()),
                })
        })
    }

    /// A function of method and target: what it asks of a registry.
    fn test_registry(&mut self, test: &Test) -> rusqlite::Result<String> {
        let test = test.clone();
        self.function(2, move |values| {
            let [method, target] = values else { return false };
            // Both columns hold bytes; a target that is no ASCII is asked for again with its true bytes.
            let true_bytes = |value: &[u8]| std::str::from_utf8(value).map(latin1::bytes).unwrap_or_default();
            let (method, target) = (true_bytes(method), true_bytes(target));
            let (Ok(method), Ok(target)) = (std::str::from_utf8(&method), std::str::from_utf8(&target)) else {
                return false;
            };
            registry::classify(method, target).is_some_and(|it| test.holds(it.kind.name().as_bytes()))
        })
    }
}

impl Drop for Selection<'_> {
    fn drop(&mut self) {
        for name in &self.functions {
            // A statement that still uses it keeps it until the connection is closed.
            let arguments = [1, 2];
            for count in arguments {
                self.db.remove_function(name.as_str(), count).ok();
            }
        }
    }
}

/// As filters see an authority: of IPv6, with brackets and without.
fn holds_of(test: &Test, authority: &Authority) -> bool {
    let is_v6 = matches!(authority.host.ip(), Some(std::net::IpAddr::V6(_)));
    test.holds(authority.to_string().as_bytes())
        || is_v6 && test.holds(format!("{}:{}", authority.host, authority.port).as_bytes())
}

/// `numbers` as a condition on an SQL expression.
fn range(expression: &str, numbers: Numbers) -> String {
    match numbers {
        Numbers::Is(n) => format!("{expression} = {n}"),
        Numbers::IsNot(n) => format!("{expression} <> {n}"),
        _ => match numbers.bounds() {
            Some((i64::MIN, to)) => format!("{expression} <= {to}"),
            Some((from, i64::MAX)) => format!("{expression} >= {}", literal(from)),
            Some((from, to)) => format!("{expression} BETWEEN {} AND {to}", literal(from)),
            None => "0".to_owned(),
        },
    }
}

/// The least integer cannot be written as one in SQL.
fn literal(n: i64) -> String {
    if n == i64::MIN { "(-9223372036854775807 - 1)".to_owned() } else { n.to_string() }
}

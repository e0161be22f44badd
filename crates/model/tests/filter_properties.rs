//! What holds of every filter. In: filters made by chance. Out: a filter that prints as another one, or text that ends the parser.

use proptest::prelude::*;
use sidelight_model::filter::{AsSent, Expr, Field, Filter, FlowView, Leaf, Numbers, Test};
use sidelight_model::flow::{ConnId, ConnectionRecord};
use sidelight_model::time::Timestamp;

/// A regular expression as an argument: a word, or quoted.
fn regex() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9./:=*+?^$|&!-]{0,6}[a-z0-9]",
        "\"([a-z ~()&|!'é]|\\\\\"|\\\\\\\\\\.|\\\\d){0,8}\"",
        "'[a-z ~&|!\"]{0,8}'",
    ]
}

fn compared(number: &'static str) -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["", "<", "<= ", "> ", ">=", "= ", "!= ", "== "]), number)
        .prop_map(|(comparison, number)| format!("{comparison}{number}"))
}

fn ranged(number: &'static str) -> impl Strategy<Value = String> {
    (number, prop::sample::select(vec!["..", " .. "]), number, 0..3_u8).prop_map(|(from, dots, to, open)| match open {
        0 => format!("{from}{}", dots.trim()),
        1 => format!("..{to}"),
        _ => format!("{from}{dots}{to}"),
    })
}

fn number(of: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![compared(of), ranged(of)]
}

fn operator() -> impl Strategy<Value = String> {
    const TIME: &str = "(2[0-3]|[01][0-9]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?(Z|[+-]0[0-9]:30)?";
    const MOMENT: &str = "(19|20)[0-9][0-9]-(0[1-9]|1[0-2])-[0-2][1-8](T1[0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?(Z|[+-]0[0-9]:30)?)?";
    let flags =
        prop::sample::select(vec!["~q", "~s", "~e", "~all", "~verified", "~anomaly", "~registry", "~tls", "~udp"]);
    let texts = prop::sample::select(vec!["u", "d", "m", "h", "hs", "b", "t", "src", "sni", "image", "comment"]);
    prop_oneof![
        flags.prop_map(str::to_owned),
        (texts, regex()).prop_map(|(name, regex)| format!("~{name} {regex}")),
        regex(),
        number("[0-9]{1,6}(|B|kB|MiB|\\.5MB)").prop_map(|it| format!("~size {it}")),
        number("-?[0-9]{1,4}(us|ms|s|m|h|d|h30m)").prop_map(|it| format!("~expires {it}")),
        number("[1-5]([0-9]{2}|xx)").prop_map(|it| format!("~c {it}")),
        number("1\\.[0-3]").prop_map(|it| format!("~tls {it}")),
        number("([0-9]|unavailable|not_found)").prop_map(|it| format!("~grpc {it}")),
        number(TIME).prop_map(|it| format!("~at {it}")),
        number(MOMENT).prop_map(|it| format!("~at {it}")),
        "~(cause (cert_expired|weak_key)|fault server|fate relayed|mode [a-z]{1,9}|cert [0-9A-F:]{1,20}[0-9a-f])",
    ]
}

fn filter() -> impl Strategy<Value = String> {
    operator().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| format!("!{it}")),
            inner.clone().prop_map(|it| format!("({it})")),
            (prop::collection::vec(inner, 2..4), prop::sample::select(vec![" & ", " | ", " ", "\n&&", " ||\t"]))
                .prop_map(|(parts, joint)| parts.join(joint)),
        ]
    })
}

fn leaf_count(expr: &Expr) -> usize {
    let mut count = 0;
    expr.leaves(&mut |_: &Leaf| count += 1);
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_reads_back(text in filter()) {
        // Some are none: a range that ends before it begins, a repetition of nothing.
        if let Ok(read) = Filter::parse(&text) {
            let printed = read.to_string();
            let again = Filter::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
            prop_assert_eq!(&again, &read, "{} became {}", text, printed);
            prop_assert_eq!(again.to_string(), printed);
        }
    }

    #[test]
    fn text_never_ends_the_parser(text in "[~!&|()'\"a-z<>=. 0-9\\\\é\\[\\]{}-]{0,40}") {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert!(leaf_count(filter.expr()) > 0),
            Err(error) => {
                prop_assert!(error.column() <= text.chars().count() + 1);
                prop_assert!(!error.excerpt().is_empty());
            }
        }
    }

    #[test]
    fn comparisons_are_those_of_numbers(n in any::<i64>(), m in any::<i64>(), near in -2_i64..3) {
        for number in [m, n.saturating_add(near), i64::MIN, i64::MAX] {
            let sets = [
                (Numbers::Less(n), number < n),
                (Numbers::AtMost(n), number <= n),
                (Numbers::More(n), number > n),
                (Numbers::AtLeast(n), number >= n),
                (Numbers::Is(n), number == n),
                (Numbers::IsNot(n), number != n),
                (Numbers::Between(Some(n), Some(m)), n <= number && number <= m),
                (Numbers::Between(None, Some(m)), number <= m),
                (Numbers::Between(Some(n), None), number >= n),
            ];
            for (set, expected) in sets {
                prop_assert_eq!(set.contains(number), expected, "{:?} {}", set, number);
            }
        }
    }

    #[test]
    fn times_of_the_day_are_those_of_the_clock(at in 0..86_400_i64, from in 0..1_440_i64, to in 0..1_440_i64, zone in -12..15_i32) {
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let options = sidelight_model::filter::Options { utc_offset: zone * 3_600, ..Default::default() };
        let conn = ConnectionRecord::new(ConnId(1), Timestamp::from_secs(at + 20_000 * 86_400));
        let local = (at + i64::from(zone) * 3_600).rem_euclid(86_400);
        let (start, end) = (from * 60, to * 60);
        let within = if start <= end { start <= local && local <= end } else { local >= start || local <= end };
        for (text, expected) in [
            (format!("~at {}..{}", clock(from), clock(to)), within),
            (format!("~at < {}", clock(from)), local < start),
            (format!("~at <= {}", clock(from)), local <= start),
            (format!("~at > {}", clock(from)), local > start),
            (format!("~at >= {}", clock(from)), local >= start),
            (format!("~at {}", clock(from)), local / 60 == from),
            (format!("~at != {}", clock(from)), local / 60 != from),
        ] {
            let filter = Filter::parse_with(&text, options).unwrap();
            let view = FlowView { id: None, conn: &conn, exchange: None, messages: &[], findings: &[], bodies: &AsSent(None), now: Timestamp(0) };
            prop_assert_eq!(filter.matches(&view), expected, "{} {} {}", text, local, filter);
        }
    }

    #[test]
    fn joints_are_those_of_logic(bits in any::<u8>(), text in joined()) {
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let value = |leaf: &Leaf| match leaf.field {
            Field::Asset => bits & 1 != 0,
            Field::Unanswered => bits & 2 != 0,
            _ => bits & 4 != 0,
        };
        prop_assert_eq!(truth(filter.expr(), &value), model(&text, bits), "{}", text);
    }
}

/// Three flags, joined in any way.
fn joined() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["~a", "~q", "~s"]).prop_map(str::to_owned).prop_recursive(6, 60, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| format!("!{it}")),
            inner.clone().prop_map(|it| format!("( {it})")),
            prop::collection::vec((inner, prop::sample::select(vec!["&", " | ", " ", " &&", "||"])), 2..5).prop_map(
                |parts| {
                    let text: String = parts.iter().map(|(part, joint)| format!("{part}{joint}")).collect();
                    text.trim_end_matches([' ', '&', '|']).to_owned()
                }
            ),
        ]
    })
}

fn truth(expr: &Expr, value: &impl Fn(&Leaf) -> bool) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| truth(part, value)),
        Expr::Any(parts) => parts.iter().any(|part| truth(part, value)),
        Expr::Not(part) => !truth(part, value),
        Expr::Leaf(leaf) => {
            assert_eq!(leaf.test, Test::Present);
            value(leaf)
        }
    }
}

/// The same filter, evaluated while it is read, by the grammar of docs/filters.md.
fn model(text: &str, bits: u8) -> bool {
    let tokens: Vec<char> = text
        .replace("~a", "a")
        .replace("~q", "b")
        .replace("~s", "c")
        .replace("&&", "&")
        .replace("||", "|")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let mut at = 0;
    sequence(&tokens, &mut at, bits)
}

fn sequence(tokens: &[char], at: &mut usize, bits: u8) -> bool {
    let mut all = either(tokens, at, bits);
    while tokens.get(*at).is_some_and(|c| *c != ')') {
        all &= either(tokens, at, bits);
    }
    all
}

fn either(tokens: &[char], at: &mut usize, bits: u8) -> bool {
    let mut any = both(tokens, at, bits);
    while tokens.get(*at) == Some(&'|') {
        *at += 1;
        any |= both(tokens, at, bits);
    }
    any
}

fn both(tokens: &[char], at: &mut usize, bits: u8) -> bool {
    let mut all = term(tokens, at, bits);
    while tokens.get(*at) == Some(&'&') {
        *at += 1;
        all &= term(tokens, at, bits);
    }
    all
}

fn term(tokens: &[char], at: &mut usize, bits: u8) -> bool {
    let token = tokens[*at];
    *at += 1;
    match token {
        '!' => !term(tokens, at, bits),
        '(' => {
            let inner = sequence(tokens, at, bits);
            *at += 1;
            inner
        }
        'a' => bits & 1 != 0,
        'b' => bits & 2 != 0,
        _ => bits & 4 != 0,
    }
}

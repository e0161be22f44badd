//! `trust find` as text. In: where a root is and is not. Out: the answer, then each place.

use sidelight_model::trust::Survey;
use sidelight_model::trust::catalog::{Answer, Place, Shelf};
use sidelight_model::trust::query::Relation;

use super::super::Look;
use super::super::style::Meaning;
use super::shelf::{self, number};

/// Most places of one kind that are told; `--json` has all.
const MOST: usize = 40;

/// Most certificates that are told when the query fits many.
const MOST_CERTIFICATES: usize = 12;

/// The answer for stores.
pub(crate) fn render(look: &Look, survey: &Survey, answer: &Answer<'_>, query: &str) -> String {
    let mut text = head(look, survey, answer, query);
    certificates(look, survey, answer, &mut text);
    let (here, gone): (Vec<_>, Vec<_>) = answer.places.iter().partition(|place| !place.shelf.hidden);
    for place in here.iter().take(MOST) {
        text.push_str(&line(look, survey, place, answer.certs.len() > 1));
    }
    push_rest(here.len(), &mut text);
    for place in gone.iter().take(MOST) {
        let path = look.peer(&place.shelf.file.path);
        let words = format!("    ! {path}  replaced or removed by an upper layer");
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Caution, &words)));
    }
    for without in answer.without.iter().take(MOST) {
        text.push_str(&absent(look, survey, without));
    }
    push_rest(answer.without.len(), &mut text);
    akin(look, survey, answer, &mut text);
    text
}

fn push_rest(all: usize, text: &mut String) {
    if let Some(more) = all.checked_sub(MOST).filter(|more| *more > 0) {
        text.push_str(&format!("      and {more} more (--json has all)\n"));
    }
}

fn head(look: &Look, survey: &Survey, answer: &Answer<'_>, query: &str) -> String {
    let source = look.peer(&survey.source);
    let what = match answer.certs.as_slice() {
        [one] => look.peer(shelf::root_name(survey.pool.get(*one))),
        _ => format!("“{}”", look.peer(query)),
    };
    let here = answer.places.iter().filter(|place| !place.shelf.hidden && place.entry.is_anchor);
    let stores: std::collections::BTreeSet<&str> = here.map(|place| place.shelf.file.path.as_str()).collect();
    let of = stores.len() + answer.without.len();
    let (mark, meaning, words) = if answer.is_yes() {
        let of = if answer.without.is_empty() { String::new() } else { format!(" of {of}") };
        ("✓", Meaning::Good, format!("yes: {what} is in {}{of} in {source}", number(stores.len(), "store")))
    } else if answer.certs.is_empty() {
        ("✗", Meaning::Bad, format!("no: no certificate in {source} is {what}"))
    } else {
        ("✗", Meaning::Bad, format!("no: {what} is in {source}, but not as a root of any store"))
    };
    format!("{}\n", look.paint.as_(meaning, &format!("{mark} {words}")))
}

/// Which certificates are meant, when there is a doubt.
fn certificates(look: &Look, survey: &Survey, answer: &Answer<'_>, text: &mut String) {
    for id in answer.certs.iter().take(MOST_CERTIFICATES) {
        let certificate = survey.pool.get(*id);
        let (subject, until) = (look.peer(&certificate.subject), certificate.not_after.date());
        let words = format!("      {subject}, until {until}\n      sha256 {}\n", certificate.sha256());
        text.push_str(&look.paint.as_(Meaning::Faint, &words));
    }
    if let Some(more) = answer.certs.len().checked_sub(MOST_CERTIFICATES).filter(|more| *more > 0) {
        text.push_str(&format!("      and {more} certificates more\n"));
    }
}

/// `which`: several certificates are meant, so each place says which it has.
fn line(look: &Look, survey: &Survey, place: &Place<'_>, which: bool) -> String {
    let path = shelf::name(look, place.shelf.file);
    let at = match (&place.entry.alias, place.entry.line) {
        (_, Some(line)) => format!(":{line}"),
        (Some(alias), None) => format!(" ({})", look.peer(alias)),
        (None, None) => String::new(),
    };
    let distrusted = place.entry.bits.as_ref().is_some_and(|bits| bits.distrusted);
    let (mark, meaning, remark) = match place.entry.is_anchor {
        true => ("✓", Meaning::Good, ""),
        false if distrusted => ("✗", Meaning::Bad, "  distrusted there"),
        false => ("!", Meaning::Caution, "  there, but not as a root"),
    };
    let origin = shelf::origin(look, survey, place.shelf.file).map(|origin| format!("  {origin}")).unwrap_or_default();
    let origin = look.paint.as_(Meaning::Faint, &origin);
    let name =
        if which { format!("  {}", look.peer(shelf::root_name(survey.pool.get(place.cert)))) } else { String::new() };
    format!("    {} {path}{at}{name}{remark}{origin}\n", look.paint.as_(meaning, mark))
}

fn absent(look: &Look, survey: &Survey, it: &Shelf<'_>) -> String {
    let origin = shelf::origin(look, survey, it.file).map(|origin| format!("  {origin}")).unwrap_or_default();
    let size = shelf::size(it);
    let rest = look.paint.as_(Meaning::Faint, &format!("  not among its {size}{origin}"));
    let rest = if it.store.locked { "  not known: it is under a password".to_owned() } else { rest };
    format!("    {} {}{rest}\n", look.paint.as_(Meaning::Bad, "✗"), shelf::name(look, it.file))
}

/// Near misses, which are what misleads people most.
fn akin(look: &Look, survey: &Survey, answer: &Answer<'_>, text: &mut String) {
    let mut told = std::collections::BTreeSet::new();
    for place in &answer.akin {
        let certificate = survey.pool.get(place.cert);
        let what = match place.relation {
            Relation::SameKey => "the same key in another certificate (renewed or cross-signed)",
            _ => "the same name with another key: it verifies nothing that the other signed",
        };
        if !told.insert((place.cert, place.shelf.file.path.as_str())) || told.len() > MOST {
            continue;
        }
        let path = look.peer(&place.shelf.file.path);
        let (until, sha256) = (certificate.not_after.date(), certificate.sha256());
        let words = format!("    ! {path}  {what}, until {until}, sha256 {sha256}");
        text.push_str(&format!("{}\n", look.paint.as_(Meaning::Caution, &words)));
    }
}

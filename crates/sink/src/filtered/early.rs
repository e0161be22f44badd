//! What a filter can say before an exchange has ended. In: a filter, and a connection under way. Out: yes, no, or not yet.

use sidelight_model::filter::{Expr, Field, FlowView, Leaf};

/// Whether the flow will be selected whatever else becomes known of it; `None` when that depends on it.
pub(super) fn decide(expr: &Expr, view: &FlowView<'_>) -> Option<bool> {
    let joined = |parts: &[Expr], ends: bool| {
        let mut open = false;
        for part in parts {
            match decide(part, view) {
                Some(it) if it == ends => return Some(ends),
                Some(_) => {}
                None => open = true,
            }
        }
        if open { None } else { Some(!ends) }
    };
    match expr {
        Expr::All(parts) => joined(parts, false),
        Expr::Any(parts) => joined(parts, true),
        Expr::Not(part) => decide(part, view).map(|it| !it),
        Expr::Leaf(leaf) => known(leaf, view),
    }
}

fn known(leaf: &Leaf, view: &FlowView<'_>) -> Option<bool> {
    match leaf.field {
        field if field.is_never() => Some(false),
        // More can only add to these.
        Field::Domain | Field::Body | Field::RequestBody | Field::ResponseBody | Field::Cause | Field::Fault => {
            leaf.matches(view).then_some(true)
        }
        Field::All
        | Field::Source
        | Field::Destination
        | Field::Process
        | Field::Pid
        | Field::Container
        | Field::Mode
        | Field::Conn
        | Field::Id => Some(leaf.matches(view)),
        Field::Cipher
        | Field::Sni
        | Field::Alpn
        | Field::Ja3
        | Field::Ja4
        | Field::Issuer
        | Field::Subject
        | Field::Certificate
        | Field::Verified
        | Field::ExpiresIn
        | Field::ExpiresAt
        | Field::Tls => {
            // Before that, handshakes may still come.
            let is_settled = view.conn.is_seen() || view.conn.closed.is_some();
            is_settled.then(|| leaf.matches(view))
        }
        _ => None,
    }
}

//! What our copy of a certificate holds. In: the true leaf, what is wrong with it, the name asked for. Out: [`LeafPlan`].
//!
//! A sound certificate is copied so that the client trusts it; a faulty one so that the client sees the very same fault.

use crate::flow::Host;
use crate::time::Timestamp;
use crate::x509::{Certificate, Judged, Trust};

/// Who signs the copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signer {
    /// Our CA.
    Ours,
    /// Nobody the client can know: a throw-away CA that goes by the true issuer's name (DER).
    Stranger {
        /// The issuer's Name.
        issuer: Vec<u8>,
        /// Whether the throw-away root is sent as well, as the true server sent its root.
        root_sent: bool,
    },
    /// Itself.
    Itself,
}

/// The copy to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeafPlan {
    /// DER of the subject.
    pub subject: Vec<u8>,
    /// Encoded GeneralName elements of the true leaf.
    pub names: Vec<Vec<u8>>,
    /// The name asked for, when it has to be added to them.
    pub added_name: Option<Host>,
    /// Dotted OIDs of the extended key usage.
    pub purposes: Vec<String>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// basicConstraints CA, copied when the leaf wrongly has it.
    pub is_ca: bool,
    /// Who signs.
    pub signer: Signer,
}

/// Server authentication.
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";

impl LeafPlan {
    /// A copy that a client which trusts our CA accepts for `host`, whatever is wrong with the true leaf. Its validity begins the day
    /// before at the earliest: enough for clients whose clocks are slow.
    pub fn sound(leaf: &Certificate, host: &Host, ca_not_after: Timestamp, now: Timestamp) -> Self {
        // Whole days, so that copies made at different hours are the same plan and are found in the cache.
        let today = Timestamp::from_secs(now.as_secs().div_euclid(86_400) * 86_400);
        let earliest = Timestamp::from_secs(today.as_secs() - 86_400);
        let expired = leaf.not_after <= now;
        let covered = crate::x509::name_matches(&leaf.sans, host);
        let mut purposes = leaf.purposes.clone().unwrap_or_default();
        if !purposes.iter().any(|oid| oid == SERVER_AUTH) {
            purposes.push(SERVER_AUTH.to_owned());
        }
        Self {
            subject: leaf.subject_der.clone(),
            names: leaf.sans_der.clone(),
            added_name: (!covered).then(|| host.clone()),
            purposes,
            not_before: leaf.not_before.max(earliest).min(today),
            not_after: if expired { ca_not_after } else { leaf.not_after.min(ca_not_after) },
            is_ca: false,
            signer: Signer::Ours,
        }
    }

    /// A copy with the faults of the true leaf, so that a client refuses it exactly where it would have refused the true one.
    pub fn faulty(judged: &Judged, host: &Host, ca_not_after: Timestamp, now: Timestamp) -> Self {
        let leaf = &judged.chain[0];
        let faults = &judged.faults;
        let mut plan = Self::sound(leaf, host, ca_not_after, now);
        plan.added_name = None;
        if faults.not_for_server {
            plan.purposes = leaf.purposes.clone().unwrap_or_default();
        }
        if faults.leaf_outside_validity {
            (plan.not_before, plan.not_after) = (leaf.not_before, leaf.not_after);
        }
        plan.signer = match &faults.trust {
            Trust::SelfSigned => Signer::Itself,
            Trust::Anchored(_) if plain(judged) => Signer::Ours,
            _ => {
                let root_sent = judged.chain.last().is_some_and(|last| judged.chain.len() > 1 && last.is_self_issued());
                Signer::Stranger { issuer: leaf.issuer_der.clone(), root_sent }
            }
        };
        plan.is_ca = plan.signer != Signer::Ours && leaf.is_ca == Some(true);
        plan
    }
}

/// Whether the copy itself shows every fault. Faults further up the chain, or ones that only the library sees, cannot be copied
/// under our CA: then an untrusted issuer is shown, which fails as surely.
fn plain(judged: &Judged) -> bool {
    let faults = &judged.faults;
    let shown = faults.leaf_outside_validity || faults.wrong_name || faults.not_for_server;
    shown && faults.issuers_outside_validity.is_empty() && faults.issuers_not_ca.is_empty()
}

//! Minting copies of certificates. In: a [`LeafPlan`], our authority. Out: a key with its chain, ready for a handshake.
//!
//! Copies are kept by what they copy; when many ask for one at once, it is made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use sidelight_model::flow::Host;
use sidelight_model::forge::{LeafPlan, Signer};
use sidelight_model::time::Timestamp;
use sidelight_wire::certificate::{Extension, ToBeSigned, dns_name, ip_address};
use sidelight_wire::der;

use crate::ca::{Authority, CaError, KeyKind, SigningPair, random_serial};

/// Copies kept at the most; when there are more, all are forgotten at once and made again as they are asked for.
const MOST: usize = 4_096;

/// Makes and keeps copies.
#[derive(Debug)]
pub struct Forge {
    authority: Arc<Authority>,
    ecdsa: SigningPair,
    rsa: OnceLock<Result<SigningPair, String>>,
    stranger: OnceLock<Result<SigningPair, String>>,
    kept: Mutex<HashMap<(LeafPlan, KeyKind), Cell>>,
}

type Cell = Arc<OnceLock<Result<Arc<CertifiedKey>, String>>>;

impl Forge {
    /// A forge that signs with `authority`. Its leaves have a key of their own, which lives in memory only.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(authority: Arc<Authority>) -> Result<Self, CaError> {
        let (ecdsa, _) = SigningPair::generate(KeyKind::EcdsaP256)?;
        Ok(Self { authority, ecdsa, rsa: OnceLock::new(), stranger: OnceLock::new(), kept: Mutex::default() })
    }

    /// Our authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The copy that `plan` describes, with a key of this kind.
    ///
    /// # Errors
    /// When the library refuses to make a key or a signature.
    pub fn leaf(&self, plan: &LeafPlan, kind: KeyKind) -> Result<Arc<CertifiedKey>, CaError> {
        let cell = {
            let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.entry((plan.clone(), kind)).or_default().clone()
        };
        // The map is not locked while the signature is made; those who want the same copy wait for this one.
        let made = cell.get_or_init(|| self.mint(plan, kind).map(Arc::new).map_err(|error| error.to_string()));
        made.clone().map_err(CaError::Crypto)
    }

    /// A copy for ourselves, when we are asked to speak TLS as a proxy.
    ///
    /// # Errors
    /// As [`Forge::leaf`].
    pub fn own_leaf(&self, host: &Host, now: Timestamp) -> Result<Arc<CertifiedKey>, CaError> {
        let day = Timestamp::from_secs(now.as_secs().div_euclid(86_400) * 86_400);
        let plan = LeafPlan {
            subject: sidelight_wire::certificate::name(&[(&[2, 5, 4, 3], "sidelight proxy")]),
            names: Vec::new(),
            added_name: Some(host.clone()),
            purposes: vec!["1.3.6.1.5.5.7.3.1".to_owned()],
            not_before: day,
            not_after: self.authority.not_after(),
            is_ca: false,
            signer: Signer::Ours,
        };
        self.leaf(&plan, KeyKind::EcdsaP256)
    }

    fn pair(&self, kind: KeyKind) -> Result<&SigningPair, CaError> {
        match kind {
            KeyKind::EcdsaP256 => Ok(&self.ecdsa),
            KeyKind::Rsa2048 | KeyKind::Rsa4096 => lazily(&self.rsa, KeyKind::Rsa2048),
        }
    }

    fn mint(&self, plan: &LeafPlan, kind: KeyKind) -> Result<CertifiedKey, CaError> {
        let pair = self.pair(kind)?;
        let own = self.authority.certificate();
        let (issuer, issuer_pair) = match &plan.signer {
            Signer::Ours => (&own.subject_der, self.authority.pair()),
            Signer::Stranger { issuer, .. } => (issuer, lazily(&self.stranger, KeyKind::EcdsaP256)?),
            Signer::Itself => (&plan.subject, pair),
        };
        let leaf = issuer_pair.sign(&ToBeSigned {
            serial: &random_serial()?,
            issuer,
            subject: &plan.subject,
            not_before: plan.not_before,
            not_after: plan.not_after,
            public_key: &pair.public_key,
            extensions: extensions(plan, kind, pair, issuer_pair),
        })?;
        let mut chain = vec![CertificateDer::from(leaf)];
        match &plan.signer {
            Signer::Ours => chain.push(CertificateDer::from(own.der.clone())),
            Signer::Stranger { issuer, root_sent: true } => chain.push(self.stranger_root(issuer, plan)?.into()),
            Signer::Stranger { .. } | Signer::Itself => {}
        }
        Ok(CertifiedKey::new(chain, pair.key.clone()))
    }

    /// A root that goes by the name of an issuer which the client cannot trust either.
    fn stranger_root(&self, name: &[u8], plan: &LeafPlan) -> Result<Vec<u8>, CaError> {
        let pair = lazily(&self.stranger, KeyKind::EcdsaP256)?;
        pair.sign(&ToBeSigned {
            serial: &random_serial()?,
            issuer: name,
            subject: name,
            not_before: plan.not_before,
            not_after: plan.not_after.max(self.authority.not_after()),
            public_key: &pair.public_key,
            extensions: vec![
                Extension::basic_constraints(true, None),
                Extension::key_usage(&[5, 6]),
                Extension::subject_key_id(&pair.key_id),
            ],
        })
    }
}

fn lazily(cell: &OnceLock<Result<SigningPair, String>>, kind: KeyKind) -> Result<&SigningPair, CaError> {
    cell.get_or_init(|| SigningPair::generate(kind).map(|(pair, _)| pair).map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| CaError::Crypto(error.clone()))
}

fn extensions(plan: &LeafPlan, kind: KeyKind, pair: &SigningPair, issuer: &SigningPair) -> Vec<Extension> {
    let mut usage = if kind == KeyKind::EcdsaP256 { vec![0] } else { vec![0, 2] };
    if plan.is_ca {
        usage.push(5);
    }
    let mut list = vec![
        Extension::basic_constraints(plan.is_ca, None),
        Extension::key_usage(&usage),
        Extension::subject_key_id(&pair.key_id),
        Extension::authority_key_id(&issuer.key_id),
    ];
    let purposes: Vec<_> = plan.purposes.iter().filter_map(|oid| dotted(oid)).collect();
    if !purposes.is_empty() {
        list.push(Extension::extended_key_usage(&purposes));
    }
    let mut names = plan.names.clone();
    match &plan.added_name {
        Some(Host::Name(name)) => names.push(dns_name(name)),
        Some(Host::Ip(address)) => names.push(ip_address(*address)),
        None => {}
    }
    if !names.is_empty() {
        // RFC 5280 §4.2.1.6: critical exactly when the subject is empty.
        let empty_subject = plan.subject == [0x30, 0x00];
        list.push(Extension::subject_alt_name(&names, empty_subject));
    }
    list
}

/// DER of an OID in dotted form.
fn dotted(text: &str) -> Option<Vec<u8>> {
    let arcs: Option<Vec<u64>> = text.split('.').map(|arc| arc.parse().ok()).collect();
    arcs.filter(|arcs| arcs.len() >= 2).map(|arcs| der::oid(&arcs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::CaOptions;
    use sidelight_model::x509::Certificate;

    fn plan(signer: Signer) -> LeafPlan {
        LeafPlan {
            subject: sidelight_wire::certificate::name(&[(&[2, 5, 4, 3], "a.test")]),
            names: vec![dns_name("*.a.test")],
            added_name: Some(Host::Name("a.test".into())),
            purposes: vec!["1.3.6.1.5.5.7.3.1".into()],
            not_before: Timestamp::from_secs(1_795_000_000),
            not_after: Timestamp::from_secs(1_796_000_000),
            is_ca: false,
            signer,
        }
    }

    #[test]
    fn copies_are_signed_by_whom_the_plan_says() {
        let now = Timestamp::from_secs(1_795_372_833);
        let authority = Arc::new(Authority::ephemeral(&CaOptions::default(), now).unwrap());
        let forge = Forge::new(authority.clone()).unwrap();
        let read =
            |signer| Certificate::parse(&forge.leaf(&plan(signer), KeyKind::EcdsaP256).unwrap().cert[0]).unwrap();
        let ours = read(Signer::Ours);
        assert!(ours.is_signed_by(&authority.certificate().public_key));
        assert_eq!(ours.authority_key_id, authority.certificate().subject_key_id);
        let whose = sidelight_model::trust::reference::intruder(authority.certificate());
        assert_eq!(whose.map(|it| it.who), Some("sidelight itself"), "known by name and key");
        assert_ne!(ours.public_key, authority.certificate().public_key, "leaves have a key of their own");
        assert_eq!(ours.sans.len(), 2);
        assert!(read(Signer::Itself).is_self_signed());
        let issuer = authority.certificate().subject_der.clone();
        let stranger = read(Signer::Stranger { issuer, root_sent: true });
        assert_eq!(stranger.issuer, ours.issuer);
        assert!(!stranger.is_signed_by(&authority.certificate().public_key));
    }

    #[test]
    fn one_copy_is_made_for_many_askers() {
        let authority =
            Arc::new(Authority::ephemeral(&CaOptions::default(), Timestamp::from_secs(1_795_372_833)).unwrap());
        let forge = Forge::new(authority).unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let asks: Vec<_> =
                (0..8).map(|_| scope.spawn(|| forge.leaf(&plan(Signer::Ours), KeyKind::EcdsaP256).unwrap())).collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        });
        assert!(made.iter().all(|leaf| Arc::ptr_eq(leaf, &made[0])));
    }
}

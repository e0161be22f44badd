//! Roots that a stack has and nevertheless never accepts as the end of a chain. In: a certificate, the stack, the time. Out: why not.
//! The rules are those of path validation; here they are asked of a root by itself.

use crate::time::Timestamp;
use crate::trust::{Entry, Runtime};
use crate::x509::Certificate;
use crate::x509::path::{Fault, Profile, Purpose, Stack, anchor_faults, ends_chains};
use crate::x509::strict::{KeyKind, Strict};

const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const ANY: &str = "2.5.29.37.0";

/// Whose rules judge the chains of a runtime: Python is strict since 3.13.
pub(super) fn stack(runtime: Runtime, version: Option<&str>) -> Stack {
    let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if runtime == Runtime::Python && number >= (3, 13) { Stack::PythonStrict } else { Stack::Of(runtime) }
}

/// Why `stack` never accepts a chain that ends in this root. Without a time its validity is not looked at.
pub(super) fn refusal(root: &Certificate, stack: Stack, now: Option<Timestamp>) -> Option<String> {
    let Ok(strict) = Strict::read(&root.der) else { return Some("it is not well-formed DER".to_owned()) };
    let profile = Profile::Stack(stack);
    let faults = anchor_faults(&strict, Purpose::Server, now.unwrap_or(root.not_before), profile);
    if let Some(fault) = faults.first() {
        return Some(words(fault, root));
    }
    let why = "it is no root: another CA issued it, and only self-issued certificates end a chain here";
    (!ends_chains(&strict, profile)).then(|| why.to_owned())
}

fn words(fault: &Fault, root: &Certificate) -> String {
    match fault {
        Fault::Expired(_) => format!("it expired on {}", root.not_after.date()),
        Fault::NotYetValid(_) => format!("it is not valid before {}", root.not_before.date()),
        Fault::NotCa { denied: true } => {
            "basicConstraints say that it is no CA; it is good for its own key alone".into()
        }
        Fault::NotCa { denied: false } => "it has no basicConstraints that make it a CA".into(),
        Fault::NoCertSign => "its keyUsage does not let it sign certificates".into(),
        Fault::Purpose { .. } => "its extendedKeyUsage leaves out server authentication".into(),
        Fault::WeakKey(KeyKind::Rsa(bits)) => format!("its RSA key has {bits} bits only"),
        Fault::WeakKey(_) => "its key is too weak, or of a kind that is not taken".into(),
        Fault::UnknownCritical(_) => "it has a critical extension that is not known".into(),
        Fault::Form(..) => "it is not of the strict form of RFC 5280 that is demanded here".into(),
        _ => "it is malformed".into(),
    }
}

/// Whether trust settings beside a certificate refuse it for servers.
pub(in crate::trust) fn refused_by_bits(entry: &Entry) -> bool {
    entry.bits.as_ref().is_some_and(|bits| {
        let names = |list: &[String]| list.iter().any(|purpose| purpose == SERVER || purpose == ANY);
        bits.distrusted || names(&bits.rejected) || bits.trusted.as_deref().is_some_and(|trusted| !names(trusted))
    })
}

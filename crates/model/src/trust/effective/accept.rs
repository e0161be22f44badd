//! Roots that a stack has and nevertheless never accepts as the end of a chain. In: a certificate, the stack, the time. Out: why not.
//! The rules were measured for each stack (docs/runtimes.md): Java and rustls do not look at a root's dates, GnuTLS not at its purposes.

use crate::time::Timestamp;
use crate::trust::{Entry, Runtime};
use crate::x509::Certificate;

const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const ANY: &str = "2.5.29.37.0";

/// Stacks that judge a root alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stack {
    /// OpenSSL at its usual level of security: curl, Python up to 3.12, .NET.
    OpenSsl,
    /// The same, strict: Python since 3.13.
    Strict,
    /// Node: OpenSSL without its demands on keys.
    Node,
    Go,
    GnuTls,
    Java,
    Rustls,
    Nss,
}

impl Stack {
    pub(super) fn of(runtime: Runtime, version: Option<&str>) -> Self {
        match runtime {
            Runtime::OpenSsl | Runtime::Curl | Runtime::DotNet => Self::OpenSsl,
            Runtime::Python => {
                let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
                let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
                if number >= (3, 13) { Self::Strict } else { Self::OpenSsl }
            }
            Runtime::Node => Self::Node,
            Runtime::Go => Self::Go,
            Runtime::GnuTls | Runtime::Git | Runtime::Wget => Self::GnuTls,
            Runtime::Java => Self::Java,
            Runtime::RustNative | Runtime::RustWebpki => Self::Rustls,
            Runtime::Nss => Self::Nss,
        }
    }
}

/// Why `stack` never accepts a chain that ends in this root.
pub(super) fn refusal(root: &Certificate, stack: Stack, now: Option<Timestamp>) -> Option<String> {
    if let Some(now) = now.filter(|_| !matches!(stack, Stack::Java | Stack::Rustls)) {
        if now > root.not_after {
            return Some(format!("expired on {}", root.not_after.date()));
        }
        if now < root.not_before {
            return Some(format!("not valid before {}", root.not_before.date()));
        }
    }
    if root.is_ca == Some(false) && stack != Stack::Rustls {
        return Some("it is no CA (basicConstraints says so), and good for its own key alone".to_owned());
    }
    if root.is_ca.is_none() && stack == Stack::Strict {
        return Some("it has no basicConstraints, which strict checking demands".to_owned());
    }
    let looks_at_purposes = !matches!(stack, Stack::GnuTls | Stack::Java | Stack::Rustls);
    if let Some(purposes) = root.purposes.as_ref().filter(|_| looks_at_purposes)
        && !purposes.iter().any(|purpose| purpose == SERVER || purpose == ANY)
    {
        return Some("its extendedKeyUsage leaves out server authentication".to_owned());
    }
    let demands_keys = matches!(stack, Stack::OpenSsl | Stack::Strict | Stack::Rustls);
    match rsa_bits(&root.public_key).filter(|_| demands_keys) {
        Some(bits) if bits < 2048 => Some(format!("its RSA key has {bits} bits only")),
        _ => None,
    }
}

/// Whether trust settings beside a certificate refuse it for servers.
pub(super) fn refused_by_bits(entry: &Entry) -> bool {
    entry.bits.as_ref().is_some_and(|bits| {
        let names = |list: &[String]| list.iter().any(|purpose| purpose == SERVER || purpose == ANY);
        bits.distrusted || names(&bits.rejected) || bits.trusted.as_deref().is_some_and(|trusted| !names(trusted))
    })
}

/// The length of an RSA modulus; `None` for other keys.
fn rsa_bits(public_key: &[u8]) -> Option<usize> {
    use crate::x509::tlv::{children, first};
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let (key, _) = first(public_key)?;
    let parts = children(key.content);
    let algorithm = children(parts.first()?.content);
    if algorithm.first()?.content != RSA {
        return None;
    }
    let (numbers, _) = first(parts.get(1)?.content.get(1..)?)?;
    let (modulus, _) = first(numbers.content)?;
    let zeros = modulus.content.iter().take_while(|byte| **byte == 0).count();
    let digits = modulus.content.get(zeros..)?;
    Some(digits.len() * 8 - digits.first()?.leading_zeros() as usize)
}

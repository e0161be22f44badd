//! `sidelight proxy`. In: arguments. Out: [`ProxyCommand`].

use clap::Args;

use super::ProxyOptions;

/// Show the TLS of clients that come by a proxy, a redirect or a name
///
/// Listens, opens the TLS that arrives (clients must trust our certificate authority: see `sidelight ca`),
/// and prints each HTTP exchange as it ends. What cannot be opened is relayed untouched, and the ledger at the end says why.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProxyCommand {
    /// What the interception does.
    #[command(flatten)]
    pub(crate) options: ProxyOptions,
}

const EXAMPLES: &str = "\
Examples:
  An HTTP proxy and a SOCKS5 proxy in one process, on loopback:
    sidelight proxy --mode explicit@8080 --mode socks5@1080

  Behind a company's proxy, with the login taken from the environment:
    SIDELIGHT_MODE=upstream:http://kim:secret@proxy.example:3128 sidelight proxy

  In front of a registry that has a private CA, for clients of the local network:
    sidelight proxy --mode reverse:https://registry.example:5000@10.0.0.5:443 --roots ca.pem

  Open the traffic of two hosts and relay the rest, as JSON Lines:
    sidelight proxy --only registry.example --only '*.auth.example' --json

  Speak mutual TLS to a service:
    sidelight proxy --upstream-cert 'api.example=client.pem' --upstream-key 'api.example=client.key'";

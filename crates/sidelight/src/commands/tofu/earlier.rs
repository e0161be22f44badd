//! Settings of the earlier tool. In: TLS_TOFU and its kin. Out: our options. Source: its README and script; openssl-s_client(1).

use sidelight_wire::starttls::client::Protocol;

use crate::cli::{Endpoint, ProxyChoice, TofuLook, TofuStart, TofuTrust};
use crate::exit::Failure;

/// What the variables ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// None of them is set.
    Absent,
    /// To start the command, and do nothing.
    Off,
    /// To look at a host.
    On,
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the variables into the options.
///
/// # Errors
/// When one of them holds what cannot be meant.
pub(super) fn read(
    variable: Variable<'_>,
    look: &mut TofuLook,
    trust: &mut TofuTrust,
    start: &mut TofuStart,
) -> Result<Earlier, Failure> {
    let known = ["TLS_TOFU", "TLS_TOFU_HOST", "TLS_TOFU_PORT", "TLS_TOFU_S_CLIENT_ARGS", "TLS_TOFU_CA_CERTIFICATES"];
    if !known.iter().any(|name| variable(name).is_some()) {
        return Ok(Earlier::Absent);
    }
    if variable("TLS_TOFU").is_some_and(|value| value != "true") {
        return Ok(Earlier::Off);
    }
    let host = variable("TLS_TOFU_HOST").unwrap_or_else(|| "google.com".to_owned());
    let port = variable("TLS_TOFU_PORT").unwrap_or_else(|| "443".to_owned());
    let wrong = |name: &str, value: &str, why: &str| Failure::usage(format!("{name}: `{value}` {why}"));
    let port: u16 =
        port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("TLS_TOFU_PORT", &port, "is no port"))?;
    let parsed: Endpoint = host.parse().map_err(|_| wrong("TLS_TOFU_HOST", &host, "is no host"))?;
    look.host = vec![Endpoint { port: parsed.port.or(Some(port)), ..parsed }];
    if let Some(arguments) = variable("TLS_TOFU_S_CLIENT_ARGS") {
        s_client(&arguments, look, trust)?;
    }
    if let Some(bundle) = variable("TLS_TOFU_CA_CERTIFICATES").filter(|bundle| !bundle.is_empty()) {
        start.bundle = start.bundle.take().or(Some(bundle.into()));
    }
    Ok(Earlier::On)
}

/// Options that change nothing here: we verify always, show what was found, and end by ourselves.
const WITHOUT_MEANING: &[&str] = &[
    "-verify_return_error",
    "-verify_quiet",
    "-showcerts",
    "-quiet",
    "-brief",
    "-ign_eof",
    "-no_ign_eof",
    "-nocommands",
    "-status",
    "-prexit",
    "-tls1_2",
    "-tls1_3",
    "-no_ssl3",
    "-no_tls1",
    "-no_tls1_1",
    "-4",
    "-6",
    "-trusted_first",
];

/// Options that mean something here; each takes a value, but the last.
const WITH_MEANING: &[&str] = &[
    "-servername",
    "-verify_hostname",
    "-connect",
    "-proxy",
    "-proxy_user",
    "-proxy_pass",
    "-starttls",
    "-CAfile",
    "-CApath",
    "-cert",
    "-key",
    "-noservername",
];

/// Without meaning, and with a value.
const WITHOUT_MEANING_OF_VALUE: &[&str] = &["-verify", "-verify_depth", "-CRLform", "-keyform", "-certform"];

fn s_client(arguments: &str, look: &mut TofuLook, trust: &mut TofuTrust) -> Result<(), Failure> {
    let mut words = arguments.split_ascii_whitespace();
    let (mut proxy, mut login) = (None, [None, None]);
    while let Some(word) = words.next() {
        // Both of `-name` and `--name` are read by openssl.
        let name = word.strip_prefix('-').filter(|rest| rest.starts_with('-')).unwrap_or(word);
        if WITHOUT_MEANING.contains(&name) {
            continue;
        }
        if !WITH_MEANING.contains(&name) && !WITHOUT_MEANING_OF_VALUE.contains(&name) {
            return Err(Failure::usage(format!("TLS_TOFU_S_CLIENT_ARGS: `{word}` is not understood")).hint(
                "these are: -servername, -proxy, -proxy_user, -proxy_pass, -starttls, -CAfile, -CApath, -cert, -key, -verify_hostname, -connect, \
                 and those that change nothing here, such as -verify_return_error and -showcerts",
            ));
        }
        if name == "-noservername" {
            return Err(Failure::usage(
                "TLS_TOFU_S_CLIENT_ARGS: -noservername: without a server name no name can be checked",
            )
            .hint("leave it out; a server that does not know the name ignores it"));
        }
        let value = words
            .next()
            .ok_or_else(|| Failure::usage(format!("TLS_TOFU_S_CLIENT_ARGS: `{word}` wants a value after it")))?;
        let wrong = |why: &str| Failure::usage(format!("TLS_TOFU_S_CLIENT_ARGS: {word} {value}: {why}"));
        match name {
            "-servername" | "-verify_hostname" => look.sni = Some(value.to_owned()),
            "-connect" => look.host = vec![value.parse().map_err(|why: String| wrong(&why))?],
            "-proxy" => proxy = Some(value.to_owned()),
            "-proxy_user" => login[0] = Some(value.to_owned()),
            "-proxy_pass" => login[1] = Some(password(value).map_err(|why| wrong(&why))?),
            "-starttls" => look.starttls = Some(value.parse::<Protocol>().map_err(|why| wrong(&why.to_string()))?),
            "-CAfile" | "-CApath" => trust.roots.push(value.into()),
            "-cert" => look.cert = Some(value.into()),
            "-key" => look.key = Some(value.into()),
            _ => {}
        }
    }
    if let Some(proxy) = proxy {
        let login = match login {
            [Some(user), password] => format!("{user}:{}@", password.unwrap_or_default()),
            _ => String::new(),
        };
        let url = format!("http://{login}{proxy}");
        let choice: ProxyChoice =
            url.parse().map_err(|why: String| Failure::usage(format!("TLS_TOFU_S_CLIENT_ARGS: -proxy: {why}")))?;
        look.via_proxy = Some(choice);
    }
    Ok(())
}

/// `pass:…`, `env:NAME` and `file:PATH` of openssl-passphrase-options(1).
fn password(value: &str) -> Result<String, String> {
    match value.split_once(':') {
        Some(("pass", password)) => Ok(password.to_owned()),
        Some(("env", name)) => std::env::var(name).map_err(|_| format!("{name} is not set")),
        Some(("file", path)) => std::fs::read_to_string(path)
            .map(|text| text.lines().next().unwrap_or_default().to_owned())
            .map_err(|error| error.to_string()),
        _ => Err("write pass:PASSWORD, env:NAME or file:PATH".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, TofuCommand};

    fn options() -> Box<TofuCommand> {
        match Cli::parse_from(["sidelight", "tofu", "--", "true"]).command {
            Command::Tofu(tofu) => tofu,
            other => panic!("{other:?}"),
        }
    }

    fn with(variables: &[(&str, &str)]) -> Result<(Earlier, Box<TofuCommand>), Failure> {
        let mut it = options();
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let earlier = read(&variable, &mut it.look, &mut it.trust, &mut it.start)?;
        Ok((earlier, it))
    }

    #[test]
    fn its_defaults_and_its_switch() {
        assert_eq!(with(&[]).unwrap().0, Earlier::Absent);
        assert_eq!(with(&[("TLS_TOFU", "TRUE")]).unwrap().0, Earlier::Off);
        let (on, it) = with(&[("TLS_TOFU", "true")]).unwrap();
        assert_eq!((on, it.look.host[0].to_string()), (Earlier::On, "google.com:443".into()));
        let (_, it) = with(&[("TLS_TOFU_HOST", "a.test"), ("TLS_TOFU_PORT", "8443")]).unwrap();
        assert_eq!(it.look.host[0].to_string(), "a.test:8443");
        assert!(with(&[("TLS_TOFU_PORT", "x")]).unwrap_err().message.contains("TLS_TOFU_PORT: `x` is no port"));
    }

    #[test]
    fn options_of_s_client() {
        let words = "-servername b.test -proxy p.test:3128 -starttls smtp -CAfile /roots.pem -cert c.pem -key k.pem -verify_return_error -verify 3";
        let (_, it) = with(&[("TLS_TOFU_S_CLIENT_ARGS", words)]).unwrap();
        assert_eq!(it.look.sni.as_deref(), Some("b.test"));
        assert!(matches!(it.look.via_proxy, Some(ProxyChoice::Through(up)) if up.at.to_string() == "p.test:3128"));
        assert_eq!(it.trust.roots, [std::path::PathBuf::from("/roots.pem")]);
        assert!(it.look.starttls.is_some() && it.look.cert.is_some() && it.look.key.is_some());
        let wrong = with(&[("TLS_TOFU_S_CLIENT_ARGS", "-servername b.test -frob")]).unwrap_err();
        assert!(wrong.message.contains("`-frob` is not understood"), "{wrong}");
        assert!(with(&[("TLS_TOFU_S_CLIENT_ARGS", "-proxy")]).is_err());
    }
}

//! The command line, one file per verb. In: arguments. Out: typed options; help, man pages and completions come from the
//! same definition. Names and meanings are a contract: scripts rely on them.

mod ca;
mod config;
mod demo;
mod diagnose;
mod endpoint;
mod flows;
mod global;
mod image;
mod mode;
mod mode_url;
mod nats;
mod options;
mod period;
mod proxy;
mod recording;
mod registry;
mod registry_verbs;
mod run;
mod show;
mod tofu;
mod trust;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use ca::{CaCommand, CaCreate, CaExport, CaFolder, CaInstall, CaShow, CaVerb, CertificateFormat};
pub(crate) use config::{ConfigCommand, ConfigVerb};
pub(crate) use demo::DemoCommand;
pub(crate) use diagnose::{DiagnoseCommand, DiagnoseTrust};
pub(crate) use endpoint::{Endpoint, ProxyChoice};
pub(crate) use flows::{
    BodyView, ExportFormat, FlowsCommand, FlowsExport, FlowsFollow, FlowsImport, FlowsList, FlowsShow, FlowsSource,
    FlowsStats, FlowsVerb, ImportFormat, Snippet,
};
pub(crate) use global::{ColorWhen, GlobalOptions};
pub(crate) use image::ImageOptions;
pub(crate) use mode::{ModeKind, ModeSpec};
#[cfg(feature = "nats")]
pub(crate) use mode_url::percent_decode;
pub(crate) use mode_url::{Upstream, UpstreamScheme, parse_upstream};
pub(crate) use nats::NatsOptions;
pub(crate) use options::{CaKey, CaOptions, OnOverload, OnUntrusted, ProxyOptions};
pub(crate) use period::Period;
pub(crate) use proxy::ProxyCommand;
pub(crate) use recording::{KeyLogSide, PcapContent, RecordingOptions};
pub(crate) use registry::RegistryOptions;
pub(crate) use registry_verbs::{
    AsClient, CheckCommand, ExplainCommand, IdStyle, KeyIdCommand, RegistryCommand, RegistryVerb, TimelineCommand,
    TokenCommand, TokenDecode, TokenJwks, TokenMint, TokenServe, TokenSource, TokenVerb, TokenVerify, WatchClient,
    WatchCommand,
};
pub(crate) use run::RunCommand;
pub(crate) use show::ShowOptions;
pub(crate) use tofu::{
    EnrolCommand, EnrolFormat, Evidence, InstallWhere, LogVerb, LogVerify, OnUnreachable, PinsAccept, PinsForget,
    PinsInit, PinsPlace, PinsVerb, TofuCommand, TofuLook, TofuStart, TofuTrust, TofuVerb,
};
pub(crate) use trust::{
    AsRuntime, AuditFormat, EditKind, SetVariable, TrustAdd, TrustAudit, TrustCommand, TrustDiff, TrustEdit,
    TrustExport, TrustFind, TrustList, TrustRemove, TrustVerb, TrustVerify,
};
pub(crate) use values::{Credentials, PerHost, Size};

/// See, explain and fix TLS between containers and services.
#[derive(Debug, Parser)]
#[command(
    name = "sidelight",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = SETTINGS,
    after_long_help = EXAMPLES
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    /// The verb.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SETTINGS: &str = "Every option can also be set by SIDELIGHT_<OPTION> in the environment or in the configuration file;\n\
    `sidelight config show` says which won.";

const EXAMPLES: &str = "\
Examples:
  See a whole interception without any network:
    sidelight demo

  See what a command says over TLS:
    sidelight run -- curl https://registry.example/v2/

  Find it again, and take it elsewhere:
    sidelight flows list
    sidelight flows export --format har -o traffic.har

  Run the proxy, for clients that are told to use it:
    sidelight proxy --mode explicit@8080 --mode socks5

Settings:
  Every option can also be set in the environment (--on-untrusted as SIDELIGHT_ON_UNTRUSTED;
  lists with commas) or in the configuration file (on-untrusted = \"refuse\"; lists as arrays;
  paths as seen from the working directory).
  Options win over the environment, the environment over the file, the file over defaults;
  `sidelight config show` says which won.

Exit status:
  0 done, or the answer is yes; 1 the answer is no; 2 usage; 3 the question could not be answered.
  `run` exits as its command does, and with 125 when sidelight itself failed.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunCommand),
    Proxy(ProxyCommand),
    Flows(FlowsCommand),
    Diagnose(Box<DiagnoseCommand>),
    Trust(Box<TrustCommand>),
    Registry(Box<RegistryCommand>),
    Tofu(Box<TofuCommand>),
    Ca(CaCommand),
    Config(ConfigCommand),
    Demo(DemoCommand),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  sidelight completions bash > /etc/bash_completion.d/sidelight\n  \
        sidelight completions zsh > ~/.zfunc/_sidelight\n  sidelight completions fish > ~/.config/fish/completions/sidelight.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true, after_help = "Example:\n  sidelight man /usr/local/share/man/man1")]
    Man {
        /// An existing folder; one file per command is written into it
        directory: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Calls `check` with every command, the hidden and nested ones included, and its words.
    fn visit(command: &clap::Command, path: &str, check: &mut dyn FnMut(&clap::Command, &str)) {
        check(command, path);
        for sub in command.get_subcommands() {
            visit(sub, &format!("{path} {}", sub.get_name()), check);
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// The help of every command of recording, as a terminal of 100 columns shows it.
    #[test]
    fn help_of_recording() {
        let mut text = String::new();
        visit(&Cli::command().term_width(100), "sidelight", &mut |command, path| {
            if path.starts_with("sidelight flows") {
                let help = command.clone().term_width(100).display_name(path).bin_name(path).render_help();
                text.push_str(&format!("$ {path} -h\n{help}\n"));
            }
        });
        insta::assert_snapshot!(text);
    }

    /// The options of recording, as `proxy` and `run` have them.
    #[test]
    fn help_of_the_options_of_recording() {
        let root = Cli::command();
        let proxy = root.find_subcommand("proxy").unwrap().clone().term_width(100);
        let help = proxy.clone().render_help().to_string();
        let group = help.split("\n\n").find(|part| part.starts_with("What is recorded:")).unwrap();
        insta::assert_snapshot!(group);
    }

    #[test]
    fn every_command_has_examples_and_every_option_says_what_it_does() {
        visit(&Cli::command(), "sidelight", &mut |command, path| {
            let after = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
            let group = command.has_subcommands() && path != "sidelight";
            assert!(group || after.is_some_and(|text| text.contains("Example")), "`{path}` has no examples");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "`{path}`: `{}` has no help", arg.get_id());
            }
        });
    }
}

//! The clients of the bench. In: where to connect, how (directly, through CONNECT) and how much. Out: one line of JSON of what was seen.
//!
//! It verifies no certificates: what the client spends must not hide what the proxy spends. Everything is bounded by a count or by the end
//! of standard input.

mod bulk;
mod certificates;
mod connections;
mod histogram;
mod http1;
mod requests;
mod session;
mod stay;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::Value;

use session::Session;

/// What went wrong, with words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Requests on connections that are kept
    Requests(requests::Requests),
    /// Downloads
    Bulk(bulk::Bulk),
    /// New connections, one request each
    Connections(connections::Connections),
    /// Connections that stay and say nothing, until standard input ends
    Idle(stay::Idle),
    /// A download whose reader stands still until standard input ends
    Stall(stay::Stall),
    /// Certificates for many hosts, and the CA above them
    Certificates {
        /// The folder they are written to
        folder: PathBuf,
        /// How many hosts: h0.bench.test and on
        count: usize,
    },
}

fn main() -> Result<(), Failure> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer: Value = runtime.block_on(async {
        match cli.verb {
            Verb::Requests(it) => it.run().await,
            Verb::Bulk(it) => it.run().await,
            Verb::Connections(it) => it.run().await,
            Verb::Idle(it) => it.run().await,
            Verb::Stall(it) => it.run().await,
            Verb::Certificates { folder, count } => certificates::write(&folder, count),
        }
    })?;
    println!("{answer}");
    Ok(())
}

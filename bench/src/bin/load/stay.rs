//! Connections that stay. In: how many; standard input, whose end ends them. Out: `ready` on a line of its own once all stand.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{Failure, Session, http1};

/// Connections that stay and say nothing.
#[derive(Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    session: Session,
    /// How many
    #[arg(long)]
    count: usize,
}

/// A download whose reader stands still.
#[derive(Args)]
pub(crate) struct Stall {
    #[command(flatten)]
    session: Session,
    /// The path that is asked for
    #[arg(long, default_value = "/big")]
    path: String,
}

/// Connections begun at once.
const AT_ONCE: usize = 16;

impl Idle {
    /// Opens all, each with one request, and waits.
    pub(crate) async fn run(self) -> Result<Value, Failure> {
        let config = self.session.config()?;
        let mut held = Vec::with_capacity(self.count);
        let mut buffer = vec![0; 16 << 10];
        let mut begun = 0;
        while begun < self.count {
            let batch = AT_ONCE.min(self.count - begun);
            let opening = (begun..begun + batch).map(|index| {
                let (session, config) = (self.session.clone(), config.clone());
                // Several addresses, for one has too few ports.
                let from = u8::try_from(1 + index % 100).ok();
                tokio::spawn(async move { session.open(&config, &session.name, from).await })
            });
            let opening: Vec<_> = opening.collect();
            for task in opening {
                let mut stream = task.await??;
                http1::exchange(&mut stream, &mut buffer, (&self.session.name, "/1k")).await?;
                held.push(stream);
            }
            begun += batch;
        }
        wait().await?;
        Ok(json!({"connections": held.len()}))
    }
}

impl Stall {
    /// Asks, reads a little, and waits.
    pub(crate) async fn run(self) -> Result<Value, Failure> {
        let config = self.session.config()?;
        let mut stream = self.session.open(&config, &self.session.name, None).await?;
        http1::ask(&mut stream, &self.session.name, &self.path).await?;
        let mut buffer = vec![0; 64 << 10];
        let read = stream.read(&mut buffer).await?;
        wait().await?;
        Ok(json!({"read": read}))
    }
}

/// Says that all stands, and waits for the end of standard input.
async fn wait() -> Result<(), Failure> {
    println!("ready");
    std::io::stdout().flush()?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}

//! New connections with one request each. In: how many, how many at once, to how many hosts. Out: rate, and times up to the first byte of
//! the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::histogram::Times;
use crate::{Failure, Session, http1};

/// New connections, one request each.
#[derive(Args)]
pub(crate) struct Connections {
    #[command(flatten)]
    session: Session,
    /// How many
    #[arg(long)]
    count: usize,
    /// How many at once
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Each to a host of its own: hN.bench.test, N beginning here
    #[arg(long)]
    hosts_from: Option<usize>,
}

impl Connections {
    /// Opens all.
    pub(crate) async fn run(self) -> Result<Value, Failure> {
        let config = self.session.config()?;
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let work = (0..self.at_once).map(|_| {
            let (session, config, next) = (self.session.clone(), config.clone(), next.clone());
            let (count, hosts) = (self.count, self.hosts_from);
            tokio::spawn(async move {
                let (mut times, mut buffer) = (Times::default(), vec![0; 16 << 10]);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return Ok::<_, Failure>(times);
                    }
                    let name =
                        hosts.map_or_else(|| session.name.clone(), |from| format!("h{}.bench.test", from + index));
                    let begun = Instant::now();
                    let mut stream = session.open(&config, &name, None).await?;
                    let answered = http1::exchange(&mut stream, &mut buffer, (&name, "/1k")).await?;
                    times.add(answered.first - begun);
                    let _ = stream.shutdown().await;
                }
            })
        });
        let work: Vec<_> = work.collect();
        let mut times = Times::default();
        for task in work {
            times.join(task.await??);
        }
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss)]
        let rate = self.count as f64 / seconds;
        Ok(json!({"connections": self.count, "seconds": seconds, "rate": rate, "times": times.told()}))
    }
}

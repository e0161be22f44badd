//! Downloads. In: a path and how many connections ask for it at once. Out: bytes and seconds.

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::{Failure, Session, http1};

/// Downloads.
#[derive(Args)]
pub(crate) struct Bulk {
    #[command(flatten)]
    session: Session,
    /// How many at once
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// The path that is asked for
    #[arg(long, default_value = "/big")]
    path: String,
}

impl Bulk {
    /// Downloads all.
    pub(crate) async fn run(self) -> Result<Value, Failure> {
        let config = self.session.config()?;
        let begun = Instant::now();
        let work = (0..self.connections).map(|_| {
            let (session, config, path) = (self.session.clone(), config.clone(), self.path.clone());
            tokio::spawn(async move {
                let mut stream = session.open(&config, &session.name, None).await?;
                let mut buffer = vec![0; 256 << 10];
                http1::exchange(&mut stream, &mut buffer, (&session.name, &path)).await.map(|it| it.body)
            })
        });
        let work: Vec<_> = work.collect();
        let mut bytes = 0;
        for task in work {
            bytes += task.await??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss)]
        let rate = bytes as f64 / 1e6 / seconds;
        Ok(json!({"bytes": bytes, "seconds": seconds, "mb_per_s": rate}))
    }
}

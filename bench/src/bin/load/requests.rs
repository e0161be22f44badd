//! Requests on connections that are kept. In: how many, on how many connections. Out: rate and times.

use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use crate::histogram::Times;
use crate::{Failure, Session, http1};

/// Requests on connections that are kept.
#[derive(Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    session: Session,
    /// How many, all in all
    #[arg(long)]
    count: usize,
    /// On how many connections, one after the other on each
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// The path that is asked for
    #[arg(long, default_value = "/1k")]
    path: String,
}

impl Requests {
    /// Asks for all.
    pub(crate) async fn run(self) -> Result<Value, Failure> {
        let config = self.session.config()?;
        let each = self.count.div_ceil(self.connections.max(1));
        let begun = Instant::now();
        let work = (0..self.connections).map(|_| {
            let (session, config, path) = (self.session.clone(), config.clone(), self.path.clone());
            tokio::spawn(async move {
                if session.h2 {
                    two(&session, &config, &path, each).await
                } else {
                    one(&session, &config, &path, each).await
                }
            })
        });
        let work: Vec<_> = work.collect();
        let mut times = Times::default();
        for task in work {
            times.join(task.await??);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let count = each * self.connections;
        #[expect(clippy::cast_precision_loss)]
        let rate = count as f64 / seconds;
        Ok(json!({"requests": count, "seconds": seconds, "rate": rate, "times": times.told()}))
    }
}

async fn one(session: &Session, config: &TlsConnector, path: &str, count: usize) -> Result<Times, Failure> {
    let mut stream = session.open(config, &session.name, None).await?;
    let (mut times, mut buffer) = (Times::default(), vec![0; 64 << 10]);
    for _ in 0..count {
        let begun = Instant::now();
        http1::exchange(&mut stream, &mut buffer, (&session.name, path)).await?;
        times.add(begun.elapsed());
    }
    Ok(times)
}

async fn two(session: &Session, config: &TlsConnector, path: &str, count: usize) -> Result<Times, Failure> {
    let stream = session.open(config, &session.name, None).await?;
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .handshake::<_, Bytes>(stream)
        .await?;
    let driver = tokio::spawn(connection);
    let mut times = Times::default();
    let mut client = client.ready().await?;
    for _ in 0..count {
        let begun = Instant::now();
        let request = http::Request::get(format!("https://{}{path}", session.name)).body(())?;
        let (answer, _) = client.send_request(request, true)?;
        let answer = answer.await?;
        if answer.status() != 200 {
            return Err(format!("the answer is {}", answer.status()).into());
        }
        let mut body = answer.into_body();
        while let Some(piece) = body.data().await {
            let count = piece?.len();
            body.flow_control().release_capacity(count)?;
        }
        times.add(begun.elapsed());
        client = client.ready().await?;
    }
    drop(client);
    // The peer may end as it likes once all was answered.
    driver.abort();
    Ok(times)
}

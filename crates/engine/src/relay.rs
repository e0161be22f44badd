//! Copying bytes both ways, exactly as they came. In: two transports. Out: the same bytes on the other one, and how it ended.
//!
//! A direction holds a buffer only while its reader is slow; a slow reader stops the other side. FIN, close_notify, truncation,
//! resets and alerts are passed on as what they are. No time limit on transfers; an idle limit when asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use sidelight_model::flow::Direction;
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};

use crate::transport::{Conn, Transport, poll_take};

/// Looks at what passes.
pub trait Observer: Send {
    /// Ready when more may be read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// These bytes came. The answer says whether to go on.
    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow;

    /// The direction ended in order.
    fn half_closed(&mut self, direction: Direction);

    /// The direction ended, in order or cut short.
    fn ended(&mut self, _direction: Direction) {}

    /// Whether the service's end is the end of all: the client is then not waited for.
    fn is_over(&self) -> bool {
        false
    }
}

/// Whether the relay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    On,
    /// It stops after this many of the bytes just seen; the rest is given back.
    StopAfter(usize),
    /// This direction rests after this many of the bytes just seen; the relay stops when the other one rests or ends as well.
    RestAfter(usize),
}

/// How a relay ended.
#[derive(Debug)]
pub enum End {
    /// Both directions ended in order.
    Clean,
    /// The peer that sends in this direction broke off.
    Broken(Direction, Break),
    /// Nothing passed for the idle limit.
    Idle,
    /// The observer stopped it. Bytes that the client and the service sent but that were not passed on.
    Stopped([Bytes; 2]),
}

/// The way a peer broke off.
#[derive(Debug)]
pub enum Break {
    /// TCP reset, or a protected record that cannot be read.
    Reset(io::Error),
    /// A fatal TLS alert.
    Alert(u8),
    /// The peer takes no more bytes, and nothing more came from it.
    Unwritable(io::Error),
}

struct Half {
    direction: Direction,
    waiting: Vec<u8>,
    written: usize,
    ended: Option<Ending>,
    done: bool,
    stop: bool,
    rest: bool,
    unsent: Bytes,
    unwritable: Option<io::Error>,
    flushed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// FIN, after close_notify where TLS.
    Orderly,
    /// FIN without close_notify.
    Truncated,
}

impl Half {
    const fn new(direction: Direction) -> Self {
        Self {
            direction,
            waiting: Vec::new(),
            written: 0,
            ended: None,
            done: false,
            stop: false,
            rest: false,
            unsent: Bytes::new(),
            unwritable: None,
            flushed: true,
        }
    }

    /// Moves bytes until one side has no more to give or take.
    fn poll<O: Observer>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        observer: &mut O,
    ) -> Poll<Result<(), Break>> {
        loop {
            ready!(self.poll_waiting(cx, to));
            if self.unwritable.is_some() {
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            if self.stop || self.rest || self.ended.is_some() {
                ready!(self.poll_end(cx, to));
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            let moved = match observer.poll_ready(cx) {
                Poll::Ready(()) => self.poll_move(cx, from, to, observer),
                Poll::Pending => Poll::Pending,
            };
            match moved {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending => {
                    ready!(self.poll_flush(cx, to));
                    if self.unwritable.is_none() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// One read, and one write of it.
    fn poll_move<O: Observer>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        observer: &mut O,
    ) -> Poll<Result<(), Break>> {
        let moved = poll_take(from, cx, |cx, bytes| {
            if bytes.is_empty() {
                self.ended = Some(Ending::Orderly);
                observer.half_closed(self.direction);
                observer.ended(self.direction);
                return;
            }
            let bytes = match observer.seen(self.direction, bytes) {
                Flow::On => bytes,
                flow @ (Flow::StopAfter(count) | Flow::RestAfter(count)) => {
                    let (pass, rest) = bytes.split_at(count.min(bytes.len()));
                    self.stop = matches!(flow, Flow::StopAfter(_));
                    self.rest = !self.stop;
                    self.unsent = Bytes::copy_from_slice(rest);
                    pass
                }
            };
            self.write_now(cx, to, bytes);
        });
        let failed = ready!(moved).err().map_or(Ok(()), |error| {
            let failed = self.read_failed(error);
            if failed.is_ok() {
                observer.ended(self.direction);
            }
            failed
        });
        Poll::Ready(failed)
    }

    fn write_now(&mut self, cx: &mut Context<'_>, to: &mut Conn, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.flushed = false;
        let taken = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => {
                self.unwritable = Some(error);
                return;
            }
            Poll::Pending => 0,
        };
        self.waiting.extend_from_slice(&bytes[taken..]);
    }

    fn read_failed(&mut self, error: io::Error) -> Result<(), Break> {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            return Err(Break::Alert(u8::from(*alert)));
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            // FIN without close_notify: the other side gets the same, and the other direction may go on.
            self.ended = Some(Ending::Truncated);
            return Ok(());
        }
        Err(Break::Reset(error))
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>, to: &mut Conn) -> Poll<()> {
        while self.written < self.waiting.len() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting[self.written..])) {
                Ok(0) => self.unwritable = Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count;
                    continue;
                }
                Err(error) => self.unwritable = Some(error),
            }
            break;
        }
        // Given back, not kept: an idle connection holds no buffer.
        self.waiting = Vec::new();
        self.written = 0;
        Poll::Ready(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Conn) -> Poll<()> {
        if !self.flushed {
            match ready!(Pin::new(to).poll_flush(cx)) {
                Ok(()) => self.flushed = true,
                Err(error) => self.unwritable = Some(error),
            }
        }
        Poll::Ready(())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>, to: &mut Conn) -> Poll<()> {
        ready!(self.poll_flush(cx, to));
        let ended = match self.ended {
            Some(Ending::Orderly) => ready!(Pin::new(to).poll_shutdown(cx)),
            Some(Ending::Truncated) => ready!(Pin::new(to).poll_truncate(cx)),
            None => Ok(()),
        };
        if let Err(error) = ended
            && self.unwritable.is_none()
            && error.kind() != io::ErrorKind::NotConnected
        {
            self.unwritable = Some(error);
        }
        Poll::Ready(())
    }
}

/// The limit on silence.
struct IdleLimit {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    moved: bool,
}

/// Relays between `client` and `server` until both directions have ended, one broke, or the observer stops it.
///
/// Both transports are given back, so that the caller can pass a break on with [`finish`], or go on with them.
pub async fn relay<O: Observer>(
    mut client: Conn,
    mut server: Conn,
    observer: &mut O,
    idle: Option<Duration>,
) -> (Conn, Conn, End) {
    let mut halves = [Half::new(Direction::ToServer), Half::new(Direction::ToClient)];
    let mut limit = idle.map(|limit| IdleLimit { limit, timer: Box::pin(tokio::time::sleep(limit)), moved: false });
    let end = std::future::poll_fn(|cx| {
        let mut watching = Watching { observer, moved: false };
        let end = poll_both(cx, &mut halves, &mut client, &mut server, &mut watching);
        let moved = watching.moved;
        match end {
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => poll_idle(cx, limit.as_mut(), moved),
        }
    })
    .await;
    (client, server, end)
}

/// Notes whether anything passed.
struct Watching<'o, O> {
    observer: &'o mut O,
    moved: bool,
}

impl<O: Observer> Observer for Watching<'_, O> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.observer.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        self.moved = true;
        self.observer.seen(direction, bytes)
    }

    fn half_closed(&mut self, direction: Direction) {
        self.moved = true;
        self.observer.half_closed(direction);
    }

    fn ended(&mut self, direction: Direction) {
        self.observer.ended(direction);
    }

    fn is_over(&self) -> bool {
        self.observer.is_over()
    }
}

fn poll_both<O: Observer>(
    cx: &mut Context<'_>,
    halves: &mut [Half; 2],
    client: &mut Conn,
    server: &mut Conn,
    observer: &mut O,
) -> Poll<End> {
    for half in halves.iter_mut().filter(|half| !half.done) {
        let (from, to) = match half.direction {
            Direction::ToServer => (&mut *client, &mut *server),
            Direction::ToClient => (&mut *server, &mut *client),
        };
        if let Poll::Ready(Err(broken)) = half.poll(cx, from, to, observer) {
            return Poll::Ready(End::Broken(half.direction, broken));
        }
    }
    let over = |half: &Half| half.direction == Direction::ToClient && observer.is_over();
    if let Some(stopped) = halves.iter().position(|half| half.done && (half.stop || over(half))) {
        return poll_stop(cx, halves, stopped, client, server);
    }
    if halves.iter().all(|half| half.done) {
        if halves.iter().any(|half| half.rest) && halves.iter().all(|half| half.unwritable.is_none()) {
            let unsent = halves.each_mut().map(|half| std::mem::take(&mut half.unsent));
            return Poll::Ready(End::Stopped(unsent));
        }
        // The peer that took no more bytes is the one that broke off, though its own direction may have ended in order.
        let broken =
            halves.iter_mut().find_map(|half| half.unwritable.take().map(|error| (half.direction.other(), error)));
        let end = broken.map_or(End::Clean, |(direction, error)| End::Broken(direction, Break::Unwritable(error)));
        return Poll::Ready(end);
    }
    Poll::Pending
}

/// Both directions are brought to a stand: what the other one holds back is passed on before the transports are given away.
fn poll_stop(
    cx: &mut Context<'_>,
    halves: &mut [Half; 2],
    stopped: usize,
    client: &mut Conn,
    server: &mut Conn,
) -> Poll<End> {
    let other = &mut halves[1 - stopped];
    let to = if other.direction == Direction::ToServer { server } else { client };
    ready!(other.poll_waiting(cx, to));
    ready!(other.poll_flush(cx, to));
    let unsent = [std::mem::take(&mut halves[0].unsent), std::mem::take(&mut halves[1].unsent)];
    Poll::Ready(End::Stopped(unsent))
}

fn poll_idle(cx: &mut Context<'_>, limit: Option<&mut IdleLimit>, moved: bool) -> Poll<End> {
    let Some(limit) = limit else { return Poll::Pending };
    limit.moved |= moved;
    loop {
        ready!(limit.timer.as_mut().poll(cx));
        if !std::mem::take(&mut limit.moved) {
            return Poll::Ready(End::Idle);
        }
        // Set anew only when it rings, not for each byte: the limit is kept within twice its length.
        let next = Instant::now() + limit.limit;
        limit.timer.as_mut().reset(next);
    }
}

/// Ends both transports so that each peer sees what the other one did.
pub async fn finish(mut client: Conn, mut server: Conn, end: &End) {
    match end {
        End::Clean | End::Stopped(_) => {}
        End::Broken(direction, broken) => {
            let other = if *direction == Direction::ToServer { &mut server } else { &mut client };
            match broken {
                Break::Alert(alert) => {
                    let other = if *direction == Direction::ToServer { server } else { client };
                    other.fail_with(*alert).await;
                }
                Break::Reset(_) | Break::Unwritable(_) => other.reset_on_drop(),
            }
        }
        End::Idle => {
            let ends = async {
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut client).await;
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut server).await;
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), ends).await;
        }
    }
}

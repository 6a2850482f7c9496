//! The actions of each connection of an attack until the process ends.
//!
//! Owns one loop for each kind of behaviour. Must not know the other connections, except that
//! stampedes share a clock.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::{Connection, Target, head, read_answer, request};
use super::{bombs, floods};
use crate::bench::hostile::attacks::{Attack, Deed};

/// Pause after a connection was closed or refused before the attack opens a new one.
const REOPEN: Duration = Duration::from_millis(20);

/// Size of the body that the head of a request with a slow body states, in bytes.
const BODY_BYTES: usize = 8_000_000;
/// Number of bytes at the start of a slow body that are sent at once. The rest of the body, about
/// 100 kB of 8 MB, is sent slowly, one byte at a time.
const SENT_BYTES: usize = 7_900_000;
/// Time between two bytes of the rest of a slow body, which is sent one byte at a time.
const BODY_PERIOD: Duration = Duration::from_millis(100);
/// Time between two bytes of a slow header.
const HEADER_PERIOD: Duration = Duration::from_millis(250);

/// Time between two waves of a stampede. In each wave, all connections send the same request at the
/// same moment.
const WAVE: Duration = Duration::from_millis(250);

/// Request body that asks for a large answer, which the attack never reads.
const UNREAD: &str = r#"{"do":"large","bytes":2000000}"#;
/// Size of the attack's receive buffer for answers that it never reads, in bytes.
const RECEIVE_BUFFER: u32 = 4096;
/// Time between two requests whose answers are never read.
const UNREAD_PERIOD: Duration = Duration::from_millis(300);

/// Time between sending a request and closing its connection, for an attack that opens and closes
/// connections one after the other.
const CHURN_PERIOD: Duration = Duration::from_millis(10);
/// Pause after each answer to a compressed body.
const BOMB_PERIOD: Duration = Duration::from_millis(5);
/// Pause between two bursts of pipelined requests.
const BURST_PERIOD: Duration = Duration::from_millis(100);

/// Behaviour of each connection of an attack, with the bytes that the connection sends. The bytes
/// are built once for all connections.
#[derive(Clone)]
pub struct Script {
    deed: Deed,
    requests: Arc<Vec<Vec<u8>>>,
    started: Instant,
}

impl Script {
    /// Returns the script of an attack, with the bytes that its connections send.
    ///
    /// # Errors
    /// Fails if a body cannot be compressed.
    pub fn of(attack: &Attack) -> io::Result<Self> {
        let requests = match attack.deed {
            Deed::SlowBody => {
                let mut bytes = head(BODY_BYTES);
                bytes.extend_from_slice(br#"{"do":"score","x":1,"pad":""#);
                bytes.resize(bytes.len() + SENT_BYTES, b'a');
                vec![bytes]
            }
            Deed::SlowHeaders => {
                vec![b"POST /score HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ".to_vec()]
            }
            Deed::Repeat(body, _) => body.texts().iter().map(|text| request(text)).collect(),
            Deed::Unread => vec![request(UNREAD)],
            Deed::Churn => vec![request(r#"{"do":"score","x":1}"#)],
            Deed::Pipelined(count) => vec![request(r#"{"do":"score","x":1}"#).repeat(count)],
            Deed::Frames(frames) => vec![floods::bytes(frames)],
            Deed::Bomb(coding) => bombs::requests(coding)?,
            Deed::Silent | Deed::Stampede => Vec::new(),
        };
        Ok(Self {
            deed: attack.deed,
            requests: Arc::new(requests),
            started: Instant::now(),
        })
    }

    /// Drives one connection of the attack until the task is dropped. If the connection ends, a new
    /// one is opened. `index` is the number of the connection.
    pub async fn run(self, target: &Target, index: u16) {
        loop {
            match self.once(target, index).await {
                Ok(Some(status)) => target.counters.answered(status),
                Ok(None) => {}
                Err(_) => target.counters.broken(),
            }
            sleep(REOPEN).await;
        }
    }

    /// Opens one connection and uses it until it ends. `index` is the number of the connection.
    /// Returns the status code of the answer with which the server ended the connection. Returns
    /// `None` if the attack ended the connection, or if the attack sends HTTP/2 frames, whose
    /// answers it does not parse. Fails if the connection cannot be opened, or breaks.
    async fn once(&self, target: &Target, index: u16) -> io::Result<Option<u16>> {
        let buffer = matches!(self.deed, Deed::Unread).then_some(RECEIVE_BUFFER);
        let mut connection = target.connect(index, buffer).await?;
        let first = self.requests.first().map_or(&[][..], Vec::as_slice);
        match self.deed {
            Deed::SlowBody => slow(&mut connection, first, BODY_PERIOD).await.map(Some),
            Deed::SlowHeaders => slow(&mut connection, first, HEADER_PERIOD).await.map(Some),
            Deed::Silent => read_answer(&mut connection.reader)
                .await
                .map(|answer| Some(answer.status)),
            Deed::Repeat(_, pause) => self.repeat(&mut connection, target, index, pause).await,
            Deed::Bomb(_) => {
                self.repeat(&mut connection, target, index, BOMB_PERIOD)
                    .await
            }
            Deed::Frames(_) => {
                // The host closes the connection before it has read everything.
                let sent = connection.writer.write_all(first).await;
                let read = tokio::io::copy(&mut connection.reader, &mut tokio::io::sink()).await;
                sent.and(read).map(|_| None)
            }
            Deed::Stampede => self.stampede(&mut connection, target).await,
            Deed::Unread => loop {
                connection.writer.write_all(first).await?;
                sleep(UNREAD_PERIOD).await;
            },
            Deed::Churn => {
                connection.writer.write_all(first).await?;
                sleep(CHURN_PERIOD).await;
                Ok(None)
            }
            Deed::Pipelined(count) => loop {
                connection.writer.write_all(first).await?;
                for _ in 0..count {
                    let answer = read_answer(&mut connection.reader).await?;
                    if !answer.goes_on {
                        return Ok(Some(answer.status));
                    }
                    target.counters.answered(answer.status);
                }
                sleep(BURST_PERIOD).await;
            },
        }
    }

    async fn repeat(
        &self,
        connection: &mut Connection,
        target: &Target,
        index: u16,
        pause: Duration,
    ) -> io::Result<Option<u16>> {
        // Connections begin at different bodies.
        for request in self
            .requests
            .iter()
            .cycle()
            .skip(usize::from(index) % self.requests.len().max(1))
        {
            let answer = connection.ask(request).await?;
            if !answer.goes_on {
                return Ok(Some(answer.status));
            }
            target.counters.answered(answer.status);
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        Ok(None)
    }

    async fn stampede(
        &self,
        connection: &mut Connection,
        target: &Target,
    ) -> io::Result<Option<u16>> {
        loop {
            let wave = self.started.elapsed().as_millis() / WAVE.as_millis() + 1;
            sleep_until(self.started + WAVE * wave as u32).await;
            // No other process has asked this question, because the process id is part of it.
            let question = u64::from(std::process::id()) << 20 | wave as u64;
            let answer = connection
                .ask(&request(&format!(r#"{{"do":"work","x":{question}}}"#)))
                .await?;
            if !answer.goes_on {
                return Ok(Some(answer.status));
            }
            target.counters.answered(answer.status);
        }
    }
}

async fn slow(connection: &mut Connection, first: &[u8], period: Duration) -> io::Result<u16> {
    let answer = match connection.send(first).await? {
        Some(answer) => answer,
        None => connection.trickle(b'a', period).await?,
    };
    Ok(answer.status)
}

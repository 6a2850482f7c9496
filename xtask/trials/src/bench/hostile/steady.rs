//! The well-behaved client of `bench hostile`: it makes 200 calls per second from 127.0.0.1,
//! whether the answers are right or wrong.
//!
//! Owns its schedule, its connections and the rule that decides if a call is lost. Must not know
//! what else happens at the same time.
//!
//! Calls have a fixed schedule, and a latency is measured from the scheduled time. If the host
//! stalls, the calls that could not be sent meanwhile count with all their waiting time, so a stall
//! is not hidden by the client's own waiting.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::client;

/// Number of calls that the well-behaved client makes per second.
pub const RATE: u32 = 200;
/// Number of connections of the well-behaved client, each with its own thread. This is also the
/// maximum number of its simultaneous calls.
const CONNECTIONS: usize = 16;
/// Timeout for connecting, and for each read and write of a call. A call that exceeds the timeout
/// counts as lost, with at least this latency.
const PATIENCE: Duration = Duration::from_secs(5);

/// Input of the next scoring request of the well-behaved client. No input is sent twice, so that no
/// answer comes from a cache.
static NEXT_QUESTION: AtomicU64 = AtomicU64::new(1);

/// Latencies and lost calls of the well-behaved client in one measurement, either during an attack
/// or during a control, which only burns CPU time.
#[derive(Debug, Clone, Default)]
pub struct Steady {
    /// Latencies of all calls in milliseconds, sorted. A lost call counts with `PATIENCE`, or with
    /// its own latency if this is longer.
    pub latencies_ms: Vec<f64>,
    /// Number of calls that did not get the right answer.
    pub lost: u32,
    /// Error of the first failed call. A call with a wrong answer counts as failed. `None` if every
    /// call got the right answer.
    pub first_loss: Option<String>,
}

impl Steady {
    /// Returns the latency in milliseconds within which the given share of the calls ended. For
    /// example, a share of 0.99 gives the 99th percentile. Returns NaN if there are no calls.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.latencies_ms.len().saturating_sub(1);
        let index = (self.latencies_ms.len() as f64 * share).ceil() as usize;
        self.latencies_ms
            .get(index.saturating_sub(1).min(last))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

/// Makes [`RATE`] calls per second to the host for the given time, waits for all answers, and
/// returns the results.
pub fn measure(address: SocketAddr, time: Duration) -> Steady {
    let calls = (time.as_secs_f64() * f64::from(RATE)).ceil().max(1.0) as u32;
    let schedule = Schedule {
        address,
        start: Instant::now() + Duration::from_millis(5),
        time,
        calls,
        next: AtomicU32::new(0),
    };
    let seen = Mutex::new(Steady::default());
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| schedule.run(&seen));
        }
    });
    let mut seen = seen
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    seen.latencies_ms.sort_by(f64::total_cmp);
    seen
}

struct Schedule {
    address: SocketAddr,
    start: Instant,
    time: Duration,
    calls: u32,
    next: AtomicU32,
}

impl Schedule {
    /// Makes calls one after the other, each at its scheduled time, until all calls of the schedule
    /// are made. Adds the results of the calls to `seen`.
    fn run(&self, seen: &Mutex<Steady>) {
        let mut connection = connect(self.address).ok();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.calls {
                return;
            }
            let due = self.start + Duration::from_secs(1) * number / RATE;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // Once the measurement is long over, no one waits for the rest.
            let is_hopeless = Instant::now() > self.start + self.time + PATIENCE;
            let outcome = if is_hopeless {
                Err(io::Error::other("not sent: earlier calls took too long"))
            } else {
                call(
                    self.address,
                    &mut connection,
                    NEXT_QUESTION.fetch_add(1, Ordering::Relaxed),
                )
            };
            let latency = Instant::now().saturating_duration_since(due);
            // Clients come and go. One call in ten is the last on its connection, so the next one
            // needs a new connection.
            if number % 10 == 9 {
                connection = None;
            }
            let mut seen = seen
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match outcome {
                Ok(()) => seen.latencies_ms.push(latency.as_secs_f64() * 1e3),
                Err(error) => {
                    seen.latencies_ms
                        .push(PATIENCE.max(latency).as_secs_f64() * 1e3);
                    seen.lost += 1;
                    seen.first_loss.get_or_insert_with(|| error.to_string());
                }
            }
        }
    }
}

/// Sends a scoring request with the input `question` on the open connection, or on a new one, and
/// checks the response. If the connection fails or the host closes it, `connection` is `None`
/// afterwards. Fails if the response is wrong or does not arrive.
fn call(address: SocketAddr, connection: &mut Option<TcpStream>, question: u64) -> io::Result<()> {
    let stream = match connection.take() {
        Some(stream) => stream,
        None => connect(address)?,
    };
    if exchange(&stream, question)? {
        *connection = Some(stream);
    }
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a scoring request with the input `question` on a connection, and checks the response.
/// Returns true if the connection can be used for another request, and false if the host closes it.
/// Fails if the response is wrong or does not arrive.
fn exchange(mut stream: &TcpStream, question: u64) -> io::Result<bool> {
    stream.write_all(&client::request(&format!(
        r#"{{"do":"score","x":{question}}}"#
    )))?;
    let answer = read(BufReader::new(stream))?;
    let expected = format!(r#"{{"y":{}}}"#, question.wrapping_mul(7).wrapping_add(1));
    if answer.status != 200 || answer.body != expected.as_bytes() {
        let body = String::from_utf8_lossy(&answer.body)
            .chars()
            .take(200)
            .collect::<String>();
        return Err(io::Error::other(format!(
            "answered {}: {body}",
            answer.status
        )));
    }
    Ok(answer.goes_on)
}

struct Answer {
    status: u16,
    goes_on: bool,
    body: Vec<u8>,
}

fn read(mut answer: impl io::BufRead) -> io::Result<Answer> {
    let broken = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "closed without a complete answer",
        )
    };
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let (mut length, mut goes_on) = (None, true);
    loop {
        line.clear();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<u64>().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            goes_on = !value.trim().eq_ignore_ascii_case("close");
        }
    }
    let length = length.ok_or_else(broken)?;
    let mut body = Vec::new();
    answer.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length {
        Ok(Answer {
            status,
            goes_on,
            body,
        })
    } else {
        Err(broken())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_host_that_stalls_is_charged_for_every_call_that_had_to_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The kernel accepts the connections, and no one answers. Each call waits for its whole
        // timeout, and none is skipped.
        let seen = measure(address, Duration::from_millis(100));
        assert_eq!((seen.lost, seen.latencies_ms.len()), (20, 20));
        assert!(seen.percentile_ms(0.5) >= 5000.0, "{seen:?}");
    }

    #[test]
    fn percentiles_are_those_of_sorted_latencies() {
        let seen = Steady {
            latencies_ms: (1..=100).map(f64::from).collect(),
            ..Steady::default()
        };
        assert_eq!(
            (
                seen.percentile_ms(0.5),
                seen.percentile_ms(0.99),
                seen.percentile_ms(1.0)
            ),
            (50.0, 99.0, 100.0)
        );
        assert!(Steady::default().percentile_ms(0.5).is_nan());
    }

    #[test]
    fn an_answer_says_whether_the_connection_goes_on() {
        let answer =
            read(&b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\n{}"[..])
                .unwrap();
        assert_eq!(
            (answer.status, answer.goes_on, answer.body),
            (200, false, b"{}".to_vec())
        );
        assert!(read(&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"[..]).is_err());
    }
}

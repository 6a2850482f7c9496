//! A TCP proxy between a host and its Redis, whose connections can be cut, held up or forgotten.
//!
//! Owns the forwarding and its faults. Must not know which protocol is forwarded.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A TCP proxy that forwards to one port until it is dropped.
pub struct Cable {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Port to which new connections are forwarded.
    target: AtomicU16,
    /// Number of response bytes that are still forwarded. A negative value means no limit.
    allowance: AtomicI64,
    /// True if new connections are closed at once.
    is_cut: AtomicBool,
    /// Number of connections that were cut because a response reached its limit.
    reached: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    /// Number of connections that were accepted.
    accepted: AtomicUsize,
    /// Number of the first connection whose bytes are still forwarded, counted from 0. The bytes of
    /// earlier connections are dropped.
    remembered: AtomicUsize,
    /// Number of the first connection whose requests are not held up, counted from 0.
    prompt: AtomicUsize,
    /// Time for which each part of a request is held up, in milliseconds.
    pause_ms: AtomicU64,
}

impl Cable {
    /// Starts a proxy on a free port that forwards to `port`.
    ///
    /// # Panics
    /// Panics if there is no free port.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(port),
            allowance: AtomicI64::new(-1),
            is_cut: AtomicBool::new(false),
            reached: AtomicUsize::new(0),
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            remembered: AtomicUsize::new(0),
            prompt: AtomicUsize::new(0),
            pause_ms: AtomicU64::new(0),
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if for_thread.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let port = for_thread.target.load(Ordering::SeqCst);
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                forward(&for_thread, &near, &far);
            }
        });
        Self { port: own, shared }
    }

    /// Returns the port on which the proxy listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forwards `bytes` more response bytes, and then cuts the connection that carries the next
    /// one.
    pub fn cut_after(&self, bytes: i64) {
        self.shared.allowance.store(bytes, Ordering::SeqCst);
    }

    /// Returns the number of connections that were cut because of [`Cable::cut_after`].
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.shared.reached.load(Ordering::SeqCst)
    }

    /// Drops all bytes of the connections that exist now, and keeps these connections open, like a
    /// load balancer that has forgotten them. New connections are forwarded.
    pub fn forget(&self) {
        let accepted = self.shared.accepted.load(Ordering::SeqCst);
        self.shared.remembered.store(accepted, Ordering::SeqCst);
    }

    /// Holds up each part of a request for `pause` on the connections that exist now, like a slow
    /// network or a slow server. If `also_new` is true, holds up new connections, too.
    pub fn hold_up(&self, pause: Duration, also_new: bool) {
        let pause_ms = u64::try_from(pause.as_millis()).expect("a short pause");
        self.shared.pause_ms.store(pause_ms, Ordering::SeqCst);
        let end = if also_new {
            usize::MAX
        } else {
            self.accepted()
        };
        self.shared.prompt.store(end, Ordering::SeqCst);
    }

    /// Forwards new connections to another port, like a DNS name that moves to another server.
    pub fn lead_to(&self, port: u16) {
        self.shared.target.store(port, Ordering::SeqCst);
    }

    /// Returns the number of connections that the proxy has accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Cuts all connections. New connections are closed at once until [`Cable::restore`] is called.
    ///
    /// # Panics
    /// Panics if a thread of the proxy panicked.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().expect("no thread panics").drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Forwards all connections again, without a limit on response bytes.
    pub fn restore(&self) {
        self.shared.allowance.store(-1, Ordering::SeqCst);
        self.shared.is_cut.store(false, Ordering::SeqCst);
    }
}

fn forward(shared: &Arc<Shared>, near: &TcpStream, far: &TcpStream) {
    let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
    let is_forgotten = move |shared: &Shared| number < shared.remembered.load(Ordering::SeqCst);
    let streams = [near, far].map(|stream| stream.try_clone().expect("a stream has two ends"));
    shared
        .open
        .lock()
        .expect("no thread panics")
        .extend(streams);
    let pair = |from: &TcpStream, to: &TcpStream| {
        [from, to].map(|stream| stream.try_clone().expect("as above"))
    };
    let [mut from, mut to] = pair(near, far);
    let for_requests = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if number < for_requests.prompt.load(Ordering::SeqCst) {
                let pause_ms = for_requests.pause_ms.load(Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(pause_ms));
            }
            if !is_forgotten(&for_requests) && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
    let [mut from, mut to] = pair(far, near);
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if is_forgotten(&shared) {
                continue;
            }
            let left = shared.allowance.load(Ordering::SeqCst);
            let through = usize::try_from(left).map_or(count, |left| left.min(count));
            if to.write_all(&buffer[..through]).is_err() {
                break;
            }
            if through < count {
                shared.reached.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if left >= 0 {
                let less = left - i64::try_from(count).expect("a small number");
                // The limit stays as it is if it was reset meanwhile: the reader of the response
                // may be faster than this thread.
                let _ = shared.allowance.compare_exchange(
                    left,
                    less,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
            }
        }
        // The end of a forgotten connection is not forwarded either.
        if !is_forgotten(&shared) {
            drop(to.shutdown(Shutdown::Both));
            drop(from.shutdown(Shutdown::Both));
        }
    });
}

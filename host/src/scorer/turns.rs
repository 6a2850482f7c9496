//! Turns: which calls execute now, which wait, and which are refused because too many wait.
//!
//! Owns the places of all calls, the turns to execute, and the order in which waiting calls get one. Must not know what a
//! call does; how long the calls of a caller take is known to `callers`.
//!
//! Callers are told apart by how long their calls keep an instance. While there are callers whose calls are quick, all others
//! share half of the instances and half of the queue. So callers whose calls run until their deadline cannot keep everyone
//! out. A new caller counts among the others until one of its calls was quick.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::callers::Callers;
use crate::timer;

/// Time after the last quick call for which room is kept for the next one.
const KEEPS_ROOM: Duration = Duration::from_secs(10);

/// Time that a call counts with if its deadline cut it off.
const CUT_OFF: Duration = Duration::from_secs(1);

/// A call waits as if it had come later by this many times what the calls of its caller take on average.
/// So calls of less than a millisecond pass those of five milliseconds that came just before them, and none waits for ever.
const DELAY_PER_TIME: u32 = 16;

/// Places and turns of one scorer.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

/// Place of one call that waits or executes. Given back when it is dropped.
pub(super) struct Place {
    turns: Turns,
    is_quick: bool,
}

/// Turn of one call to execute. Given back when it is dropped.
pub(super) struct Turn {
    turns: Turns,
    caller: Option<IpAddr>,
    is_quick: bool,
    started: Instant,
    deadline: Instant,
}

struct State {
    /// Calls that may execute at a time.
    most: usize,
    /// Calls that may wait.
    queue: usize,
    places: Count,
    turns: Count,
    waiting_quick: VecDeque<Waiter>,
    waiting_others: VecDeque<Waiter>,
    callers: Callers,
    /// End of the last call of a quick caller.
    last_quick: Option<Instant>,
}

/// What is taken: by all calls, and by those of callers that are not quick.
#[derive(Default)]
struct Count {
    all: usize,
    others: usize,
}

struct Waiter {
    /// Calls that wait are served in the order of this time.
    due: Instant,
    caller: Option<IpAddr>,
    deadline: Instant,
    grant: oneshot::Sender<Turn>,
}

impl Turns {
    /// Makes the turns for `most` calls that execute, and `queue` that wait.
    pub(super) fn new(most: usize, queue: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            most: most.max(1),
            queue,
            places: Count::default(),
            turns: Count::default(),
            waiting_quick: VecDeque::new(),
            waiting_others: VecDeque::new(),
            callers: Callers::default(),
            last_quick: None,
        })))
    }

    /// Takes a place for a call of this caller. Returns `None` if as many calls wait already as may.
    pub(super) fn enter(&self, caller: Option<IpAddr>) -> Option<Place> {
        let mut state = self.lock();
        let now = Instant::now();
        let is_quick = state.callers.is_quick(caller, now);
        let others = state.turns_of_others(now).saturating_add(state.queue_of_others(now));
        if state.places.all >= state.most.saturating_add(state.queue) || !is_quick && state.places.others >= others {
            return None;
        }
        state.places.add(is_quick);
        Some(Place { turns: self.clone(), is_quick })
    }

    /// Waits for a turn, nearly in order of arrival among callers of one pace. Returns `None` if the deadline passes before.
    pub(super) async fn turn(&self, caller: Option<IpAddr>, deadline: Instant) -> Option<Turn> {
        let granted = {
            let mut state = self.lock();
            let now = Instant::now();
            let is_quick = state.callers.is_quick(caller, now);
            if state.has_turn(is_quick, now) && state.waiting(is_quick).is_empty() {
                return Some(state.grant(self, (caller, deadline), is_quick, now));
            }
            let (grant, granted) = oneshot::channel();
            let due = now + DELAY_PER_TIME * state.callers.average(caller);
            let waiting = state.waiting(is_quick);
            let index = waiting.partition_point(|waiter| waiter.due <= due);
            waiting.insert(index, Waiter { due, caller, deadline, grant });
            granted
        };
        timer::until(deadline, granted).await?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// True if this caller is not known to be quick while others are. Its call should not even begin on a thread that serves
    /// them.
    pub(super) fn is_apart(&self) -> bool {
        !self.is_quick && self.turns.lock().keeps_room(self.started)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let granted = {
            let mut state = self.turns.lock();
            state.turns.subtract(self.is_quick);
            let time = now.saturating_duration_since(self.started);
            // A call that was cut off would have kept its instance for longer, however late it got it.
            let time = if now < self.deadline { time } else { time.max(CUT_OFF) };
            state.callers.finished(self.caller, time, now);
            if self.is_quick {
                state.last_quick = Some(now);
            }
            state.hand_out(&self.turns, now)
        };
        // Outside of the lock: the thread that is woken may take this one's core at once, and wait for the lock.
        for (grant, turn) in granted {
            // A call that gave up at this moment gives its turn back, here or where it is dropped.
            let _ = grant.send(turn);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().places.subtract(self.is_quick);
    }
}

impl State {
    /// True if room is kept for quick calls.
    fn keeps_room(&self, now: Instant) -> bool {
        self.last_quick.is_some_and(|last| now.saturating_duration_since(last) < KEEPS_ROOM)
    }

    /// Calls of callers that are not quick that may execute at a time.
    fn turns_of_others(&self, now: Instant) -> usize {
        if self.keeps_room(now) { self.most.div_ceil(2) } else { self.most }
    }

    fn queue_of_others(&self, now: Instant) -> usize {
        if self.keeps_room(now) { self.queue.div_ceil(2) } else { self.queue }
    }

    fn has_turn(&self, is_quick: bool, now: Instant) -> bool {
        self.turns.all < self.most && (is_quick || self.turns.others < self.turns_of_others(now))
    }

    fn waiting(&mut self, is_quick: bool) -> &mut VecDeque<Waiter> {
        if is_quick { &mut self.waiting_quick } else { &mut self.waiting_others }
    }

    fn grant(
        &mut self,
        turns: &Turns,
        (caller, deadline): (Option<IpAddr>, Instant),
        is_quick: bool,
        now: Instant,
    ) -> Turn {
        self.turns.add(is_quick);
        self.callers.started(caller, now);
        Turn { turns: turns.clone(), caller, is_quick, started: now, deadline }
    }

    /// Takes the free turns for calls that wait. Returns each with the call that it is for.
    fn hand_out(&mut self, turns: &Turns, now: Instant) -> Vec<(oneshot::Sender<Turn>, Turn)> {
        let mut granted = Vec::new();
        while let Some(is_quick) = self.next(now) {
            let Some(Waiter { caller, deadline, grant, .. }) = self.waiting(is_quick).pop_front() else { break };
            if !grant.is_closed() {
                granted.push((grant, self.grant(turns, (caller, deadline), is_quick, now)));
            }
        }
        granted
    }

    /// The pace of the calls whose turn it is; `None` if no call that waits can have one. Quick calls go first, except that the
    /// others keep a quarter of the turns.
    fn next(&self, now: Instant) -> Option<bool> {
        let other = !self.waiting_others.is_empty() && self.has_turn(false, now);
        let quick = !self.waiting_quick.is_empty() && self.has_turn(true, now);
        match (quick, other) {
            (true, true) => Some(self.turns.others >= self.most.div_ceil(4)),
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

impl Count {
    fn add(&mut self, is_quick: bool) {
        self.all += 1;
        self.others += usize::from(!is_quick);
    }

    fn subtract(&mut self, is_quick: bool) {
        self.all = self.all.saturating_sub(1);
        self.others = self.others.saturating_sub(usize::from(!is_quick));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn stranger(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([127, 0, 0, number]))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    /// Turns with a caller that is known to be quick.
    async fn with_quick_caller(most: usize, queue: usize) -> Turns {
        let turns = Turns::new(most, queue);
        drop(turns.turn(QUICK, soon()).await.unwrap());
        drop(turns.turn(QUICK, soon()).await.unwrap());
        turns
    }

    #[tokio::test]
    async fn strangers_share_half_of_the_turns_while_somebody_is_quick() {
        let turns = with_quick_caller(8, 8).await;
        let mut held = Vec::new();
        for number in 2..50 {
            held.extend(turns.turn(stranger(number), soon()).await);
        }
        assert_eq!(held.len(), 4);
        for _ in 0..4 {
            held.push(turns.turn(QUICK, soon()).await.unwrap());
        }
        assert!(turns.turn(QUICK, soon()).await.is_none());
    }

    #[tokio::test]
    async fn callers_of_one_pace_have_every_turn_and_wait_in_order() {
        let turns = Turns::new(3, 8);
        let mut held = Vec::new();
        for number in 2..5 {
            held.push(turns.turn(stranger(number), soon()).await.unwrap());
        }
        let late = Instant::now() + Duration::from_secs(5);
        let order = Mutex::new(Vec::new());
        let wait = async |number| {
            let turn = turns.turn(stranger(number), late).await.unwrap();
            order.lock().unwrap().push(number);
            drop(turn);
        };
        tokio::join!(wait(7), wait(6), wait(5), async { held.clear() });
        assert_eq!(*order.lock().unwrap(), [7, 6, 5]);
        let state = turns.lock();
        assert_eq!((state.turns.all, state.turns.others), (0, 0));
    }

    #[tokio::test]
    async fn a_call_of_a_quicker_caller_passes() {
        let turns = with_quick_caller(1, 8).await;
        let slower = stranger(2);
        turns.lock().callers.started(slower, Instant::now());
        turns.lock().callers.finished(slower, Duration::from_millis(5), Instant::now());
        let mut held = vec![turns.turn(QUICK, soon()).await.unwrap()];
        let late = Instant::now() + Duration::from_secs(5);
        let order = Mutex::new(Vec::new());
        let wait = async |caller| {
            let turn = turns.turn(caller, late).await.unwrap();
            order.lock().unwrap().push(caller);
            drop(turn);
        };
        tokio::join!(wait(slower), wait(QUICK), async { held.clear() });
        assert_eq!(order.into_inner().unwrap(), [QUICK, slower]);
    }

    #[tokio::test]
    async fn a_quick_caller_goes_first_and_the_others_keep_a_quarter() {
        let turns = with_quick_caller(4, 8).await;
        let mut held = vec![turns.turn(stranger(2), soon()).await.unwrap()];
        for _ in 0..3 {
            held.push(turns.turn(QUICK, soon()).await.unwrap());
        }
        let late = Instant::now() + Duration::from_secs(5);
        let order = Mutex::new(Vec::new());
        let wait = async |caller| {
            let turn = turns.turn(caller, late).await.unwrap();
            order.lock().unwrap().push(caller);
            drop(turn);
        };
        // One stranger executes, so the quick caller is first; when it no longer does, a stranger is.
        tokio::join!(wait(stranger(3)), wait(QUICK), async { drop(held.pop()) });
        assert_eq!(*order.lock().unwrap(), [QUICK, stranger(3)]);
        order.lock().unwrap().clear();
        held.push(turns.turn(QUICK, soon()).await.unwrap());
        tokio::join!(wait(QUICK), wait(stranger(3)), async { drop(held.remove(0)) });
        assert_eq!(*order.lock().unwrap(), [stranger(3), QUICK]);
    }

    #[tokio::test]
    async fn strangers_fill_half_of_the_queue() {
        let turns = with_quick_caller(2, 4).await;
        let held: Vec<_> = (2..50).filter_map(|number| turns.enter(stranger(number))).collect();
        assert_eq!(held.len(), 1 + 2);
        let quick: Vec<_> = (0..9).filter_map(|_| turns.enter(QUICK)).collect();
        assert_eq!(quick.len(), 3);
        drop((held, quick));
        assert_eq!(turns.lock().places.all, 0);
    }

    #[tokio::test]
    async fn a_call_that_gives_up_takes_no_turn() {
        let turns = Turns::new(1, 8);
        let held = turns.turn(stranger(2), soon()).await.unwrap();
        assert!(turns.turn(stranger(3), soon()).await.is_none());
        // A turn that is handed out and never looked at comes back, too.
        let late = Instant::now() + Duration::from_secs(5);
        let mut waiting = Box::pin(turns.turn(stranger(4), late));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        drop(waiting);
        assert!(turns.turn(stranger(5), soon()).await.is_some());
    }

    #[tokio::test]
    async fn a_caller_whose_call_was_cut_off_is_not_quick() {
        let turns = with_quick_caller(4, 8).await;
        // Its turn came at the last moment, and lasted for next to no time.
        let late = turns.turn(stranger(2), Instant::now()).await.unwrap();
        drop(late);
        assert!(!turns.turn(stranger(2), soon()).await.unwrap().is_quick);
    }

    #[tokio::test]
    async fn a_caller_whose_call_goes_on_is_not_quick_meanwhile() {
        let turns = with_quick_caller(4, 8).await;
        let endless = turns.turn(QUICK, soon()).await.unwrap();
        std::thread::sleep(Duration::from_millis(600));
        // The room that is kept is for others like it once was.
        let second = turns.turn(QUICK, soon()).await.unwrap();
        assert!(!second.is_quick && turns.turn(QUICK, soon()).await.is_some_and(|turn| !turn.is_quick));
        drop((endless, second));
    }
}

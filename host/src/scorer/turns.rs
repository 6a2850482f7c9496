//! Limits on calls: which calls execute now, which wait, and which are refused because too many
//! wait.
//!
//! Owns the entries of all calls, their permissions to execute (turns), and the order in which
//! waiting calls get one. Must not know what a call does. `callers` knows how long the calls of a
//! caller take.
//!
//! Callers are distinguished by how long their calls occupy an instance. While there are callers
//! whose calls are quick, all other callers share half of the instances and half of the queue. So
//! callers whose calls run until their deadline cannot block all other callers. A new caller counts
//! as not quick until one of its calls has ended.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::callers::Callers;
use crate::{offload, timer};

/// Time after the end of the last call of a quick caller for which half of the instances and of the
/// queue are kept free for quick callers. A caller is quick if its calls are short on average.
const KEEPS_ROOM: Duration = Duration::from_secs(10);

/// Minimum duration that is recorded for a call that was ended by its deadline, because the call
/// would have occupied its instance for longer.
const CUT_OFF: Duration = Duration::from_secs(1);

/// Factor that determines a waiting call's place in the queue: the call is sorted as if it had
/// arrived later, by this many times the average duration of its caller's calls. So a call of less
/// than a millisecond passes calls of five milliseconds that arrived just before it, and no call
/// waits for ever.
const DELAY_PER_TIME: u32 = 16;

/// Limiter of the calls of one scorer. It decides which calls execute, which wait, and which are
/// refused.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

/// Place of one call among the calls that wait or execute. Dropping this value releases the place.
pub(super) struct Place {
    turns: Turns,
    is_quick: bool,
}

/// Permission of one call to execute. Dropping this value releases the permission.
pub(super) struct Turn {
    turns: Turns,
    caller: Option<IpAddr>,
    is_quick: bool,
    started: Instant,
    deadline: Instant,
}

struct State {
    /// Maximum number of calls that may execute at a time.
    max_concurrency: usize,
    /// Maximum number of calls that may wait at a time.
    queue: usize,
    places: Count,
    turns: Count,
    waiting_quick: VecDeque<Waiter>,
    waiting_others: VecDeque<Waiter>,
    callers: Callers,
    /// Time at which the last call of a quick caller ended. `None` if no such call has ended.
    last_quick: Option<Instant>,
}

/// Counter of the calls that hold a [`Place`], or of the calls that hold a [`Turn`]. `all` counts
/// all of these calls, and `others` counts the calls whose callers are not known to be quick.
#[derive(Default)]
struct Count {
    all: usize,
    others: usize,
}

struct Waiter {
    /// Sort key of the call in its queue: its time of arrival plus a delay, which grows with the
    /// average duration of its caller's calls. The call with the earliest time executes first.
    due: Instant,
    caller: Option<IpAddr>,
    deadline: Instant,
    grant: oneshot::Sender<Turn>,
}

impl Turns {
    /// Creates a limiter that lets at most `max_concurrency` calls execute and at most `queue` more
    /// calls wait.
    pub(super) fn new(max_concurrency: usize, queue: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            max_concurrency: max_concurrency.max(1),
            queue,
            places: Count::default(),
            turns: Count::default(),
            waiting_quick: VecDeque::new(),
            waiting_others: VecDeque::new(),
            callers: Callers::default(),
            last_quick: None,
        })))
    }

    /// Adds a call of this caller to the calls that wait or execute, and returns the place of the
    /// call. `caller` is `None` if the address of the caller is unknown. Returns `None` if too many
    /// calls wait already: of all callers together or, if this caller is not known to be quick, of
    /// all such callers.
    pub(super) fn enter(&self, caller: Option<IpAddr>) -> Option<Place> {
        let mut state = self.lock();
        let now = Instant::now();
        let is_quick = state.callers.is_quick(caller, now);
        let others = state
            .turns_of_others(now)
            .saturating_add(state.queue_of_others(now));
        if state.places.all >= state.max_concurrency.saturating_add(state.queue)
            || !is_quick && state.places.others >= others
        {
            return None;
        }
        state.places.add(is_quick);
        Some(Place {
            turns: self.clone(),
            is_quick,
        })
    }

    /// Waits until a call of this caller may execute, and moves the call to a scoring thread if it
    /// must run apart from the calls of quick callers. `caller` is `None` if the address of the
    /// caller is unknown. Returns `None` if the deadline passes first.
    pub(super) async fn permission(
        &self,
        caller: Option<IpAddr>,
        deadline: Instant,
    ) -> Option<Turn> {
        let turn = self.turn(caller, deadline).await?;
        if turn.is_apart() {
            offload::offload().await;
        }
        Some(turn)
    }

    /// Waits until a call of this caller may execute. `caller` is `None` if the address of the
    /// caller is unknown. Returns `None` if the deadline passes first.
    ///
    /// Waiting calls of quick callers form one queue, and all other waiting calls form another.
    /// Both queues are served nearly in order of arrival.
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
            waiting.insert(
                index,
                Waiter {
                    due,
                    caller,
                    deadline,
                    grant,
                },
            );
            granted
        };
        timer::until(deadline, granted).await?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Returns true if the caller of this call is not known to be quick, but a call of a quick
    /// caller ended recently. In this case, the call should not even start on a thread that serves
    /// sockets.
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
            // A call that was cut off would have occupied its instance for longer, no matter how
            // late it got the instance.
            let time = if now < self.deadline {
                time
            } else {
                time.max(CUT_OFF)
            };
            state.callers.finished(self.caller, time, now);
            if self.is_quick {
                state.last_quick = Some(now);
            }
            state.hand_out(&self.turns, now)
        };
        // The turns are sent outside of the lock: the thread that is woken may take this thread's
        // core at once, and then wait for the lock.
        for (grant, turn) in granted {
            // A call that gave up at this moment gives its turn back, either here or where the turn
            // is dropped.
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
    /// Returns true if room is kept for quick callers, because a call of a quick caller ended
    /// recently.
    fn keeps_room(&self, now: Instant) -> bool {
        self.last_quick
            .is_some_and(|last| now.saturating_duration_since(last) < KEEPS_ROOM)
    }

    /// Returns how many calls of callers that are not known to be quick may execute at a time.
    fn turns_of_others(&self, now: Instant) -> usize {
        if self.keeps_room(now) {
            self.max_concurrency.div_ceil(2)
        } else {
            self.max_concurrency
        }
    }

    fn queue_of_others(&self, now: Instant) -> usize {
        if self.keeps_room(now) {
            self.queue.div_ceil(2)
        } else {
            self.queue
        }
    }

    fn has_turn(&self, is_quick: bool, now: Instant) -> bool {
        self.turns.all < self.max_concurrency
            && (is_quick || self.turns.others < self.turns_of_others(now))
    }

    fn waiting(&mut self, is_quick: bool) -> &mut VecDeque<Waiter> {
        if is_quick {
            &mut self.waiting_quick
        } else {
            &mut self.waiting_others
        }
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
        Turn {
            turns: turns.clone(),
            caller,
            is_quick,
            started: now,
            deadline,
        }
    }

    /// Gives the free permissions to execute to calls that wait. Returns each permission with the
    /// channel through which it must be sent to its call.
    fn hand_out(&mut self, turns: &Turns, now: Instant) -> Vec<(oneshot::Sender<Turn>, Turn)> {
        let mut granted = Vec::new();
        while let Some(is_quick) = self.next(now) {
            let Some(Waiter {
                caller,
                deadline,
                grant,
                ..
            }) = self.waiting(is_quick).pop_front()
            else {
                break;
            };
            if !grant.is_closed() {
                granted.push((grant, self.grant(turns, (caller, deadline), is_quick, now)));
            }
        }
        granted
    }

    /// Returns true if the next call to execute is one of a quick caller, and false if it is one of
    /// another caller. Returns `None` if no waiting call may execute.
    ///
    /// Calls of quick callers go first, except that a quarter of the permissions is kept for other
    /// calls.
    fn next(&self, now: Instant) -> Option<bool> {
        let other = !self.waiting_others.is_empty() && self.has_turn(false, now);
        let quick = !self.waiting_quick.is_empty() && self.has_turn(true, now);
        match (quick, other) {
            (true, true) => Some(self.turns.others >= self.max_concurrency.div_ceil(4)),
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
mod tests;

//! Callers, and how long the calls of each of them occupy an instance.
//!
//! Owns one record for each address and one for all calls without an address, and the limit on the
//! number of records. Must not know which calls wait, or which one executes next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Average time per call below which a caller counts as quick: five ticks of the epoch (2 ms each).
const QUICK: Duration = Duration::from_millis(10);

/// Number of calls over which a caller's average time is computed. This number is so large that a
/// caller stays quick if the machine stalls for a tenth of a second while sixteen calls of the
/// caller are in progress.
const CALLS: u32 = 256;

/// Time after which a caller with calls in progress no longer counts as quick, if none of its calls
/// ends.
const STUCK: Duration = Duration::from_millis(500);

/// Number of records of callers at which the half that changed least recently is dropped before
/// another is added. Records of callers with calls in progress are kept.
const RECORDS: usize = 4096;

/// Records of how long the calls of each caller take, by the caller's address. Calls without an
/// address count as calls of one caller.
#[derive(Default)]
pub(super) struct Callers {
    records: HashMap<Option<IpAddr>, Record>,
}

struct Record {
    /// Average time for which a call of this caller occupies an instance.
    average: Duration,
    /// Number of ended calls over which `average` is computed, at most `CALLS`.
    ended: u32,
    under_way: u32,
    /// Time at which a call of this caller last ended. If a call started later while no other call
    /// was in progress, it is the time at which that call started.
    moved: Instant,
}

impl Callers {
    /// Returns true if the calls of a caller are known to be short at the time `now`: they take
    /// less than 10 ms on average, and the calls that are in progress are not stuck. Calls are
    /// stuck if none of them has ended for 500 ms. `caller` is `None` for calls of which the
    /// address is unknown.
    pub(super) fn is_quick(&self, caller: Option<IpAddr>, now: Instant) -> bool {
        let Some(record) = self.records.get(&caller) else {
            return false;
        };
        let is_stuck = record.under_way > 0 && now.saturating_duration_since(record.moved) > STUCK;
        record.ended > 0 && record.average < QUICK && !is_stuck
    }

    /// Returns how long a call of this caller occupies an instance on average, at most 10 ms.
    /// Returns 10 ms for a caller without a record, and zero for a caller of which no call has
    /// ended yet.
    pub(super) fn average(&self, caller: Option<IpAddr>) -> Duration {
        self.records
            .get(&caller)
            .map_or(QUICK, |record| record.average.min(QUICK))
    }

    /// Records that a call of this caller started at the time `now`.
    pub(super) fn started(&mut self, caller: Option<IpAddr>, now: Instant) {
        if self.records.len() >= RECORDS && !self.records.contains_key(&caller) {
            self.forget_half();
        }
        let new = Record {
            average: Duration::ZERO,
            ended: 0,
            under_way: 0,
            moved: now,
        };
        let record = self.records.entry(caller).or_insert(new);
        if record.under_way == 0 {
            record.moved = now;
        }
        record.under_way += 1;
    }

    /// Records that a call of this caller ended at the time `now`, after it occupied an instance
    /// for `time`. Does nothing for a caller without a record.
    pub(super) fn finished(&mut self, caller: Option<IpAddr>, time: Duration, now: Instant) {
        let Some(record) = self.records.get_mut(&caller) else {
            return;
        };
        record.under_way = record.under_way.saturating_sub(1);
        record.moved = now;
        record.ended = (record.ended + 1).min(CALLS);
        record.average = record.average * (record.ended - 1) / record.ended + time / record.ended;
    }

    /// Drops the half of the records that changed least recently, except those of callers with
    /// calls in progress. This keeps the records of callers that are gone from filling the memory.
    fn forget_half(&mut self) {
        let mut moved: Vec<_> = self.records.values().map(|record| record.moved).collect();
        let middle = moved.len() / 2;
        let (_, middle, _) = moved.select_nth_unstable(middle);
        let middle = *middle;
        self.records
            .retain(|_, record| record.moved > middle || record.under_way > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn caller(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    fn call(callers: &mut Callers, number: u32, time: Duration, now: Instant) -> bool {
        callers.started(caller(number), now);
        callers.finished(caller(number), time, now);
        callers.is_quick(caller(number), now)
    }

    #[test]
    fn a_caller_is_what_its_calls_are_on_average() {
        let (mut callers, now) = (Callers::default(), Instant::now());
        assert!(!callers.is_quick(caller(1), now), "nothing is known of it");
        assert!(call(&mut callers, 1, MILLISECOND, now));
        assert!(!call(&mut callers, 2, 1000 * MILLISECOND, now));
        let calls = (1..1000).find(|_| call(&mut callers, 2, MILLISECOND, now));
        assert!(
            calls.is_some_and(|calls| (100..150).contains(&calls)),
            "{calls:?}"
        );
    }

    #[test]
    fn a_quick_caller_outlives_a_stall_and_not_a_habit() {
        let (mut callers, now) = (Callers::default(), Instant::now());
        (0..1000).for_each(|_| assert!(call(&mut callers, 1, MILLISECOND, now)));
        (0..16).for_each(|_| assert!(call(&mut callers, 1, 100 * MILLISECOND, now)));
        let calls = (1..100).find(|_| !call(&mut callers, 1, 1000 * MILLISECOND, now));
        assert!(calls.is_some_and(|calls| calls <= 3), "{calls:?}");
    }

    #[test]
    fn a_caller_is_slow_while_none_of_its_calls_ends() {
        let (mut callers, now) = (Callers::default(), Instant::now());
        call(&mut callers, 1, MILLISECOND, now);
        callers.started(caller(1), now);
        assert!(callers.is_quick(caller(1), now + STUCK));
        assert!(!callers.is_quick(caller(1), now + STUCK + MILLISECOND));
        callers.finished(caller(1), MILLISECOND, now + STUCK);
        assert!(callers.is_quick(caller(1), now + STUCK + MILLISECOND));
    }

    #[test]
    fn strangers_cannot_make_the_records_grow() {
        let (mut callers, start) = (Callers::default(), Instant::now());
        callers.started(caller(0), start);
        for number in 1..3 * RECORDS as u32 {
            call(
                &mut callers,
                number,
                MILLISECOND,
                start + MILLISECOND * number,
            );
            assert!(callers.records.len() <= RECORDS);
        }
        assert!(
            callers.records.contains_key(&caller(0)),
            "its call is under way"
        );
        assert!(
            callers
                .records
                .contains_key(&caller(3 * RECORDS as u32 - 1))
        );
    }
}

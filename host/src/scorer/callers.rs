//! Callers: how long the calls of each keep an instance.
//!
//! Owns one record for each address, and their number. Must not know what waits or executes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A caller is quick if its calls keep an instance for less than this on average: five ticks of the epoch.
const QUICK: Duration = Duration::from_millis(10);

/// Calls over which the average forms.
const CALLS: u32 = 16;

/// A caller with calls under way is not quick if none of them has ended for this long.
const STUCK: Duration = Duration::from_millis(100);

/// Records that are kept. When there are more, the half that was used least recently goes.
const RECORDS: usize = 4096;

/// How long the calls of a caller take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// None of its calls has ended yet.
    Unknown,
    /// Its calls are quick.
    Quick,
    /// Its calls are not.
    Slow,
}

/// What is known of all callers. Calls that came without an address count as those of one caller.
#[derive(Default)]
pub(super) struct Callers {
    records: HashMap<Option<IpAddr>, Record>,
}

struct Record {
    /// Average time that a call keeps an instance; `None` before the first has ended.
    average: Option<Duration>,
    under_way: u32,
    /// When a call last ended, or the first of those under way started.
    moved: Instant,
}

impl Callers {
    /// Returns what is known of a caller.
    pub(super) fn pace(&self, caller: Option<IpAddr>, now: Instant) -> Pace {
        let Some(record) = self.records.get(&caller) else { return Pace::Unknown };
        let is_stuck = record.under_way > 0 && now.saturating_duration_since(record.moved) > STUCK;
        match record.average {
            _ if is_stuck => Pace::Slow,
            None => Pace::Unknown,
            Some(average) if average < QUICK => Pace::Quick,
            Some(_) => Pace::Slow,
        }
    }

    /// Notes the start of a call.
    pub(super) fn started(&mut self, caller: Option<IpAddr>, now: Instant) {
        if self.records.len() >= RECORDS && !self.records.contains_key(&caller) {
            self.forget_half();
        }
        let record = self.records.entry(caller).or_insert(Record { average: None, under_way: 0, moved: now });
        if record.under_way == 0 {
            record.moved = now;
        }
        record.under_way += 1;
    }

    /// Notes that a call never began, though [`Callers::started`] said so.
    pub(super) fn gave_up(&mut self, caller: Option<IpAddr>) {
        if let Some(record) = self.records.get_mut(&caller) {
            record.under_way = record.under_way.saturating_sub(1);
        }
    }

    /// Notes the end of a call that kept an instance for `time`.
    pub(super) fn finished(&mut self, caller: Option<IpAddr>, time: Duration, now: Instant) {
        let Some(record) = self.records.get_mut(&caller) else { return };
        record.under_way = record.under_way.saturating_sub(1);
        record.moved = now;
        record.average = Some(record.average.map_or(time, |average| average * (CALLS - 1) / CALLS + time / CALLS));
    }

    /// Drops the records that moved least recently. Strangers can make at most so many.
    fn forget_half(&mut self) {
        let mut moved: Vec<_> = self.records.values().map(|record| record.moved).collect();
        let middle = moved.len() / 2;
        let (_, middle, _) = moved.select_nth_unstable(middle);
        let middle = *middle;
        self.records.retain(|_, record| record.moved > middle || record.under_way > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn caller(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    fn call(callers: &mut Callers, number: u32, time: Duration, now: Instant) -> Pace {
        callers.started(caller(number), now);
        callers.finished(caller(number), time, now);
        callers.pace(caller(number), now)
    }

    #[test]
    fn a_caller_is_what_its_calls_are_on_average() {
        let (mut callers, now) = (Callers::default(), Instant::now());
        assert_eq!(callers.pace(caller(1), now), Pace::Unknown);
        assert_eq!(call(&mut callers, 1, MILLISECOND, now), Pace::Quick);
        assert_eq!(call(&mut callers, 1, 50 * MILLISECOND, now), Pace::Quick, "one call of many");
        assert_eq!(call(&mut callers, 2, 1000 * MILLISECOND, now), Pace::Slow);
        let calls = (1..1000).find(|_| call(&mut callers, 2, MILLISECOND, now) == Pace::Quick);
        assert!(calls.is_some_and(|calls| (50..100).contains(&calls)), "{calls:?}");
    }

    #[test]
    fn a_caller_is_slow_while_none_of_its_calls_ends() {
        let (mut callers, now) = (Callers::default(), Instant::now());
        call(&mut callers, 1, MILLISECOND, now);
        callers.started(caller(1), now);
        assert_eq!(callers.pace(caller(1), now + STUCK), Pace::Quick);
        assert_eq!(callers.pace(caller(1), now + STUCK + MILLISECOND), Pace::Slow);
        callers.gave_up(caller(1));
        assert_eq!(callers.pace(caller(1), now + STUCK + MILLISECOND), Pace::Quick);
    }

    #[test]
    fn strangers_cannot_make_the_records_grow() {
        let (mut callers, start) = (Callers::default(), Instant::now());
        callers.started(caller(0), start);
        for number in 1..3 * RECORDS as u32 {
            call(&mut callers, number, MILLISECOND, start + MILLISECOND * number);
            assert!(callers.records.len() <= RECORDS);
        }
        assert!(callers.records.contains_key(&caller(0)), "its call is under way");
        assert!(callers.records.contains_key(&caller(3 * RECORDS as u32 - 1)));
    }
}

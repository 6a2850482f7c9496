//! Table of the open connections: how many there may be, and which one is closed if there are too
//! many.
//!
//! Owns the number of connections, and the choice of the connection that is closed. Must not know
//! how a connection is served.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};

use super::activity::{Activity, Phase, now};
use super::patience::Patience;

/// Number of connections that may be open in addition to those of the connection table. While every
/// connection of the table is in a call, probes are answered on these additional connections, and
/// any other request is refused at once.
pub(super) const RESERVE: usize = 64;

/// Maximum number of open connections in addition to those of the connection table. If there are
/// more, the additional connection whose peer has been silent longest is closed.
///
/// The rest of `RESERVE` is for connections that were asked to end and have not ended yet.
const RESERVE_IN_USE: usize = RESERVE / 2;

/// Maximum time for which a request is expected to be in transit. A connection whose peer has been
/// silent for less than this time does not count as idle.
///
/// Without this time, a connection that was just accepted would be closed before its first byte
/// arrives, if many connections arrive quickly.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// Minimum time between two log lines about connections that were closed because there was no room
/// for another connection.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Table of the open connections, with their tasks. At most `places` connections may be open, and
/// the [`RESERVE`] in addition.
pub(super) struct Table {
    places: usize,
    places_per_peer: Option<usize>,
    tasks: JoinSet<()>,
    activities: HashMap<Id, Arc<Activity>>,
    /// Number of connections that were closed or refused because there was no room, and that are
    /// not logged yet.
    closed: u64,
    logged: Option<Instant>,
}

impl Table {
    pub(super) fn new(places: usize, places_per_peer: Option<usize>) -> Self {
        let (tasks, activities) = (JoinSet::new(), HashMap::new());
        Self {
            places,
            places_per_peer,
            tasks,
            activities,
            closed: 0,
            logged: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns true if another connection may be accepted. Returns false while the table and
    /// `RESERVE` are used up, because connections that were asked to end are still open.
    pub(super) fn has_room(&self) -> bool {
        self.len() < self.places.saturating_add(RESERVE)
    }

    /// Admits a new connection from `peer`, and returns its activity. If the peer has as many
    /// connections as it may have, asks one of them to end, and returns `None` if all of them are
    /// in calls. If the table is full, asks another connection to end. If all connections are in
    /// calls, admits the new one as an additional connection, on which only probes are answered. If
    /// there are too many of these, asks another one of them to end.
    pub(super) fn admit(&mut self, peer: IpAddr) -> Option<Arc<Activity>> {
        let peer = network_of(peer);
        if let Some(most) = self.places_per_peer {
            let is_of_peer = |activity: &Activity| activity.peer == peer;
            if self.count(is_of_peer) >= most && !self.close_most_silent(is_of_peer) {
                self.closed += 1;
                return None;
            }
        }
        // Usually there is a place, and nothing needs to be counted.
        let mut is_reserved = false;
        if self.len() >= self.places && self.count(|activity| !activity.is_reserved) >= self.places
        {
            is_reserved = !self.close_most_silent(|activity| !activity.is_reserved);
        }
        if is_reserved && self.count(|activity| activity.is_reserved) >= RESERVE_IN_USE {
            self.close_most_silent(|activity| activity.is_reserved);
        }
        Some(Arc::new(Activity::new(peer, is_reserved)))
    }

    /// Runs the task of a connection that was admitted with `activity`.
    pub(super) fn spawn(
        &mut self,
        activity: Arc<Activity>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.activities.insert(id, activity);
    }

    /// Waits until one of the connections ends, and removes it from the table. Returns at once if
    /// no connection is open.
    pub(super) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return,
        };
        self.activities.remove(&id);
    }

    /// Asks the connection with the highest [`rank`] to end, which usually is the one whose peer
    /// has been silent longest. Returns false if every connection is in a call, or was asked to end
    /// already.
    pub(super) fn close_any(&mut self) -> bool {
        self.close_most_silent(|_| true)
    }

    /// Asks each connection whose peer has been silent for longer than `patience` allows to end. At
    /// most every ten seconds, also logs how many connections were closed because there was no room
    /// for another one.
    pub(super) fn sweep(&mut self, patience: &Patience) {
        let at = now();
        for activity in self
            .activities
            .values()
            .filter(|activity| !activity.is_leaving())
        {
            let (phase, silence) = activity.silence(at);
            if activity.unread(at) > patience.unread {
                activity.cut_off();
            } else if patience.of(phase).is_some_and(|most| silence > most) {
                activity.dismiss();
            }
        }
        if self.closed > 0
            && self
                .logged
                .is_none_or(|logged| logged.elapsed() > LOG_PAUSE)
        {
            let (closed, places) = (std::mem::take(&mut self.closed), self.places);
            tracing::warn!(
                closed,
                places,
                "there is no room for more connections: those that were silent longest were closed"
            );
            self.logged = Some(Instant::now());
        }
    }

    /// Counts the connections for which `is_counted` returns true, without those that are about to
    /// end.
    fn count(&self, is_counted: impl Fn(&Activity) -> bool) -> usize {
        self.activities
            .values()
            .filter(|activity| is_counted(activity) && !activity.is_leaving())
            .count()
    }

    fn close_most_silent(&mut self, is_considered: impl Fn(&Activity) -> bool) -> bool {
        let considered = self
            .activities
            .values()
            .filter(|activity| is_considered(activity) && !activity.is_leaving());
        let at = now();
        let ranked = considered.filter_map(|activity| Some((rank(activity, at)?, activity)));
        let Some((_, activity)) = ranked.max_by_key(|(rank, _)| *rank) else {
            return false;
        };
        activity.condemn();
        self.closed += 1;
        true
    }
}

/// Returns the rank of a connection in the order in which connections are closed. The connection
/// with the highest rank is closed first. Returns `None` for a connection in a call, which must not
/// be closed.
///
/// Connections that are closing have the highest rank, then those that have been new or idle for
/// longer than [`ON_ITS_WAY`], then those in a request or a response, then those that have been new
/// or idle for a shorter time. In each of these groups, the rank grows with the idle time of the
/// peer at the time `at` of the clock [`now`].
///
/// A connection that sends a large body at full speed has no idle time, and the connection of a
/// client that makes ten calls a second has up to 100 ms. If both were in one group, many large
/// bodies would close the connections of such clients.
fn rank(activity: &Activity, at: u64) -> Option<(u8, Duration)> {
    let (phase, silence) = activity.silence(at);
    let group = match phase {
        Phase::Closing => 3,
        Phase::New | Phase::Idle if silence > ON_ITS_WAY => 2,
        Phase::Head | Phase::Body | Phase::Unread => 1,
        Phase::New | Phase::Idle => 0,
        Phase::Call | Phase::Answer => return None,
    };
    Some((group, silence))
}

/// Returns the part of an address that identifies a peer: an IPv4 address, or the /64 network of an
/// IPv6 address.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !(u128::from(u64::MAX))).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Opens a connection from `peer` that ends when it is asked to end, whatever its phase is.
    /// Returns `None` if the table does not admit the connection.
    fn open(table: &mut Table, peer: IpAddr) -> Option<Arc<Activity>> {
        let activity = table.admit(peer)?;
        let ends = Arc::clone(&activity);
        table.spawn(Arc::clone(&activity), async move { ends.condemned().await });
        Some(activity)
    }

    /// Opens a connection and puts it into a phase. Its peer has been silent since the time
    /// `since`, in microseconds of the clock [`now`].
    fn put(table: &mut Table, phase: Phase, since: u64) -> Arc<Activity> {
        let activity = open(table, PEER).unwrap();
        activity.set(phase, since);
        activity
    }

    #[tokio::test]
    async fn the_connection_that_was_silent_longest_goes_first() {
        now();
        std::thread::sleep(ON_ITS_WAY + Duration::from_millis(10));
        let mut table = Table::new(6, None);
        let call = put(&mut table, Phase::Call, 1);
        let body = put(&mut table, Phase::Body, 1);
        let head = put(&mut table, Phase::Head, 2);
        let idle = put(&mut table, Phase::Idle, 9);
        let new = put(&mut table, Phase::New, 8);
        let unread = put(&mut table, Phase::Unread, 3);
        for next in [&new, &idle] {
            assert!(!next.is_condemned());
            put(&mut table, Phase::Call, 1);
            assert!(next.is_condemned());
        }
        for next in [&body, &head, &unread] {
            assert!(!next.is_condemned());
            put(&mut table, Phase::Call, 1);
            assert!(next.is_condemned());
        }
        assert!(!call.is_condemned());
    }

    #[tokio::test]
    async fn a_connection_whose_request_may_be_on_its_way_outlives_one_that_is_in_a_request() {
        now();
        std::thread::sleep(Duration::from_millis(20));
        for phase in [Phase::Head, Phase::Body, Phase::Unread] {
            for whose in [Phase::New, Phase::Idle] {
                let before = now().saturating_sub(100_000).max(1);
                for (since, since_request) in [(now(), before), (before, now())] {
                    let mut table = Table::new(2, None);
                    let in_request = put(&mut table, phase, since_request);
                    let expected = put(&mut table, whose, since);
                    put(&mut table, Phase::Call, 1);
                    assert!(
                        in_request.is_condemned() && !expected.is_condemned(),
                        "{phase:?} since {since_request}, {whose:?} since {since}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn a_table_full_of_calls_leaves_the_reserve_and_never_ends_a_call() {
        let mut table = Table::new(3, None);
        let calls: Vec<_> = (0..3).map(|_| put(&mut table, Phase::Call, 1)).collect();
        for _ in 0..10 * RESERVE {
            assert!(table.has_room());
            assert!(open(&mut table, PEER).unwrap().is_reserved);
            while table.len() > calls.len() + RESERVE_IN_USE {
                table.ended().await;
            }
        }
        assert!(calls.iter().all(|call| !call.is_condemned()));
        calls[0].enter(Phase::Idle);
        assert!(!open(&mut table, PEER).unwrap().is_reserved);
        assert!(calls[0].is_condemned());
    }

    #[tokio::test]
    async fn a_peer_with_too_many_connections_loses_its_own() {
        let mut table = Table::new(100, Some(2));
        let other = open(&mut table, IpAddr::from([127, 0, 0, 2])).unwrap();
        let (first, second) = (
            open(&mut table, PEER).unwrap(),
            open(&mut table, PEER).unwrap(),
        );
        first.set(Phase::Call, 1);
        let third = open(&mut table, PEER).unwrap();
        assert!(second.is_condemned() && !first.is_condemned() && !other.is_condemned());
        third.set(Phase::Call, 1);
        assert!(
            open(&mut table, PEER).is_none(),
            "both of its connections are in calls"
        );
        let networks =
            ["2001:db8::1", "2001:db8::2:1", "::ffff:127.0.0.1"].map(|text| text.parse().unwrap());
        let [one, same, mapped] = networks.map(network_of);
        assert_eq!((one, mapped), (same, PEER));
    }

    #[tokio::test]
    async fn silence_ends_in_each_phase_by_its_own_bound() {
        let patience = Patience::serving(Duration::from_secs(150));
        std::thread::sleep(Duration::from_millis(5));
        let none = Duration::ZERO;
        let short = Patience {
            first_byte: none,
            idle: none,
            head: none,
            unread: none,
            closing: none,
        };
        for phase in [
            Phase::New,
            Phase::Idle,
            Phase::Head,
            Phase::Unread,
            Phase::Closing,
        ] {
            let mut table = Table::new(3, None);
            let activity = put(&mut table, phase, 1);
            table.sweep(&patience);
            assert!(!activity.is_condemned(), "{phase:?}");
            table.sweep(&short);
            assert!(activity.is_condemned(), "{phase:?}");
        }
        let mut table = Table::new(3, None);
        let call = put(&mut table, Phase::Call, 1);
        table.sweep(&short);
        assert!(!call.is_condemned());
    }
}

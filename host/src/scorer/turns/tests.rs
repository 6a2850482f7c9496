//! Tests of `turns`.

use super::*;

const QUICK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn stranger(number: u8) -> Option<IpAddr> {
    Some(IpAddr::from([127, 0, 0, number]))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// Returns a limiter that lets `max_concurrency` calls execute and `queue` calls wait, and already
/// knows the caller `QUICK` as quick.
async fn with_quick_caller(max_concurrency: usize, queue: usize) -> Turns {
    let turns = Turns::new(max_concurrency, queue);
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
    let mut waiting = [7, 6, 5].map(|number| Box::pin(turns.turn(stranger(number), late)));
    for call in &mut waiting {
        assert!(futures_util::poll!(call).is_pending());
    }
    let mut granted = Vec::new();
    while let Some(turn) = held.pop() {
        drop(turn);
        let next = waiting.get_mut(granted.len()).unwrap();
        granted.push(next.await.unwrap());
        for call in waiting.iter_mut().skip(granted.len()) {
            assert!(futures_util::poll!(call).is_pending());
        }
    }
    drop(granted);
    let state = turns.lock();
    assert_eq!((state.turns.all, state.turns.others), (0, 0));
}

#[tokio::test]
async fn a_call_of_a_quicker_caller_passes() {
    let turns = with_quick_caller(1, 8).await;
    let slower = stranger(2);
    turns.lock().callers.started(slower, Instant::now());
    turns
        .lock()
        .callers
        .finished(slower, Duration::from_millis(5), Instant::now());
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
    // One stranger executes, so the quick caller goes first. When that stranger no longer
    // executes, another stranger goes first.
    tokio::join!(wait(stranger(3)), wait(QUICK), async { drop(held.pop()) });
    assert_eq!(*order.lock().unwrap(), [QUICK, stranger(3)]);
    order.lock().unwrap().clear();
    held.push(turns.turn(QUICK, soon()).await.unwrap());
    tokio::join!(wait(QUICK), wait(stranger(3)), async {
        drop(held.remove(0))
    });
    assert_eq!(*order.lock().unwrap(), [stranger(3), QUICK]);
}

#[tokio::test]
async fn strangers_fill_half_of_the_queue() {
    let turns = with_quick_caller(2, 4).await;
    let held: Vec<_> = (2..50)
        .filter_map(|number| turns.enter(stranger(number)))
        .collect();
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
    // A turn that is handed out but never received comes back, too.
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
    // The turn of this call came at the last moment, and lasted for almost no time.
    let late = turns.turn(stranger(2), Instant::now()).await.unwrap();
    drop(late);
    assert!(!turns.turn(stranger(2), soon()).await.unwrap().is_quick);
}

#[tokio::test]
async fn a_caller_whose_call_goes_on_is_not_quick_meanwhile() {
    let turns = with_quick_caller(4, 8).await;
    let endless = turns.turn(QUICK, soon()).await.unwrap();
    std::thread::sleep(Duration::from_millis(600));
    // The room that is kept is for callers that are quick, which this caller no longer is.
    let second = turns.turn(QUICK, soon()).await.unwrap();
    assert!(
        !second.is_quick
            && turns
                .turn(QUICK, soon())
                .await
                .is_some_and(|turn| !turn.is_quick)
    );
    drop((endless, second));
}

//! What every bus must do, as one suite.

use std::sync::Arc;
use std::time::Duration;

use tidewire_protocol::{PresenceState, RoomId, UserId};
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use super::{Bus, Gossip};

/// Runs the suite on buses made by `make(shards)`.
pub(crate) async fn suite<B: Bus>(make: impl Fn(usize) -> Arc<B>) {
    bells_become_one_and_the_last_is_kept(&make(1)).await;
    shards_do_not_mix(&make(3)).await;
    heads_never_go_back(&make(1)).await;
    concurrent_bells_end_at_the_highest_head(&make(1)).await;
}

async fn bells_become_one_and_the_last_is_kept<B: Bus>(bus: &Arc<B>) {
    let mut early = bus.subscribe();
    for head in 1..=10_000 {
        bus.ring(0, head);
    }
    early.changed().await.unwrap();
    assert_eq!(early.borrow_and_update().get(0), 10_000);
    assert!(!early.has_changed().unwrap(), "ten thousand bells are one");
    assert_eq!(bus.subscribe().borrow().get(0), 10_000, "a late subscriber knows the last");
}

async fn shards_do_not_mix<B: Bus>(bus: &Arc<B>) {
    let mut bell = bus.subscribe();
    bus.ring(1, 7);
    bus.ring(2, 9);
    bell.changed().await.unwrap();
    assert_eq!(bell.borrow().iter().collect::<Vec<_>>(), [0, 7, 9]);
}

async fn heads_never_go_back<B: Bus>(bus: &Arc<B>) {
    bus.ring(0, 5);
    let mut bell = bus.subscribe();
    bell.borrow_and_update();
    bus.ring(0, 4);
    bus.ring(0, 5);
    assert_eq!(bell.borrow().get(0), 5);
    assert!(!bell.has_changed().unwrap(), "old news are no news");
}

async fn concurrent_bells_end_at_the_highest_head<B: Bus>(bus: &Arc<B>) {
    let mut bell = bus.subscribe();
    let ringers: Vec<_> = (0..8u64)
        .map(|ringer| {
            let bus = bus.clone();
            std::thread::spawn(move || (0..1_000).for_each(|n| bus.ring(0, n * 8 + ringer)))
        })
        .collect();
    ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    let heard = async {
        while bell.borrow_and_update().get(0) < 7_999 {
            bell.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.expect("the last bell is heard");
}

/// What never takes so long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What two instances of one log tell each other.
pub(crate) async fn gossip<B: Bus>(one: &Arc<B>, two: &Arc<B>) {
    let (mut hears_one, mut hears_two) = (one.hear(), two.hear());
    meet(one, &mut hears_two, 1).await;
    meet(two, &mut hears_one, 2).await;
    what_is_told_comes_whole_in_order_and_once(one, &mut hears_two).await;
    a_listener_that_does_not_keep_up_holds_nobody_up(one, two).await;
}

/// Tells until it is heard: who listens only from now on has missed what was before.
pub(crate) async fn meet<B: Bus>(from: &Arc<B>, to: &mut Receiver<Arc<Gossip>>, number: u32) {
    let met = async {
        loop {
            from.tell(Gossip { from: number, ..Gossip::default() });
            let heard = async { while to.recv().await.is_ok_and(|heard| heard.from != number) {} };
            if tokio::time::timeout(Duration::from_millis(100), heard).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, met).await.expect("the other one hears");
}

async fn what_is_told_comes_whole_in_order_and_once<B: Bus>(
    from: &Arc<B>,
    to: &mut Receiver<Arc<Gossip>>,
) {
    let user = |n: usize| -> UserId { format!("u{n}").parse().unwrap() };
    let told = |n: usize| Gossip {
        from: 7,
        again: n == 3,
        presence: vec![
            (user(n), PresenceState::Away, 75_000),
            (user(0), PresenceState::Offline, 0),
        ],
        typing: vec![(RoomId::from_uuid(Uuid::from_u128(n as u128)), user(n), n.is_multiple_of(2))],
        spent: vec![(user(n), -3), (user(1), 50)],
        attempts: vec![(user(n), 1)],
        revoked: n == 4,
    };
    (0..100).for_each(|n| from.tell(told(n)));
    for n in 0..100 {
        let next = async {
            loop {
                let heard = to.recv().await.unwrap();
                // What is left of the meeting.
                if heard.from == 7 {
                    return heard;
                }
            }
        };
        assert_eq!(*tokio::time::timeout(PATIENCE, next).await.unwrap(), told(n));
    }
}

async fn a_listener_that_does_not_keep_up_holds_nobody_up<B: Bus>(one: &Arc<B>, two: &Arc<B>) {
    let _asleep = two.hear();
    for _ in 0..10_000 {
        one.tell(Gossip { from: 8, ..Gossip::default() });
    }
    let mut awake = two.hear();
    meet(one, &mut awake, 9).await;
}

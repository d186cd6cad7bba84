//! What every bus must do, as one suite.

use std::sync::Arc;
use std::time::Duration;

use super::Bus;

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

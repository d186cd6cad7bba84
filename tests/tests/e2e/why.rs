//! A client explains itself: its mode, its rooms, its messages.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

fn fact<'a>(why: &'a Value, name: &str) -> Option<&'a Value> {
    why["facts"].as_array().unwrap().iter().find(|fact| fact["fact"] == name)
}

// scenario: why
#[tokio::test]
async fn mode_room_and_message_are_explained_by_their_facts_and_a_sentence() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.in_mode("real_time").await;

    ada.network("cellular_2g").await;
    ada.in_mode("polling").await;
    let why = ada.must(json!({"cmd": "why"})).await;
    let sentence = "Polling because the network is 2G; everything else would allow real-time; \
                    another network would lift it.";
    assert_eq!(why["sentence"], sentence);
    let binding = fact(&why, "ceiling").unwrap();
    assert_eq!(
        (&binding["signal"]["network"], &binding["binds"]),
        (&json!("cellular_2g"), &json!(true))
    );

    ada.network("none").await;
    ada.in_mode("offline").await;
    let first = ada.send(&room, "one").await;
    let second = ada.send(&room, "two").await;
    let ask = |message: &str| json!({"cmd": "why", "room": room, "message": message});
    let why = ada.must(ask(&second)).await;
    let sentence = format!(
        "Sending: second in the queue of this room, behind {first}, which waits for the network."
    );
    assert_eq!(why["sentence"], sentence);
    let why = ada.must(json!({"cmd": "why", "room": room})).await;
    assert_eq!(fact(&why, "room").unwrap()["fresh"], false);

    // Suspended, it still tells.
    ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
    assert!(fact(&ada.must(ask(&second)).await, "suspended").is_some());
    ada.must(json!({"cmd": "set_app_state", "state": "foreground"})).await;

    ada.network("wifi").await;
    bob.sees(&room, &[first, second.clone()]).await;
    ada.until("bob has them", |view| {
        view.timeline(&room).message(&second).is_some_and(|message| message.state == "delivered")
    })
    .await;
    let why = ada.must(ask(&second)).await;
    assert_eq!(fact(&why, "message").unwrap()["state"], "delivered");
    assert_eq!(fact(&why, "receipts").unwrap()["delivered"], 1);
    // Once the socket is back.
    loop {
        let why = ada.must(json!({"cmd": "why", "room": room})).await;
        assert_eq!(fact(&why, "room").unwrap()["complete"], true);
        if why["sentence"] == "Complete and fresh: the feed is pushed." {
            break;
        }
        ada.must(json!({"cmd": "refresh_once", "deadline_ms": 10_000})).await;
    }
    let unknown = ada.ask(ask("0192f0c1-2b3c-7d4e-8f50-112233445566")).await.unwrap_err();
    assert_eq!(unknown["error"], "unknown_message");
}

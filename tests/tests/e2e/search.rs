//! What a person finds again: on the device, on the server, by the same words.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

async fn search(agent: &Agent, text: &str, everywhere: bool) -> Value {
    agent.must(json!({"cmd": "search", "text": text, "everywhere": everywhere})).await
}

fn seqs(page: &Value) -> Vec<u64> {
    let hits = page["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["message"]["seq"].as_u64().unwrap()).collect()
}

// scenario: search
#[tokio::test]
async fn what_was_said_is_found_on_the_device_and_what_is_not_there_on_the_server() {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = bob.create_room(&["ada"]).await;
    let mut sent = Vec::new();
    for text in ["Grüße aus Köln 👋", "שלום עולם", "明日は東京都へ", "\"quoted\" -NEAR*"]
    {
        sent.push(bob.send(&room, text).await);
    }
    sent.extend(bob.send_numbers(&room, 1..=150).await);
    sent.push(bob.send(&room, "grusse noch einmal").await);
    bob.sees(&room, &sent[100..]).await;

    // Ada comes late: her device has the newest messages only.
    let ada = Agent::start(&world.client("ada")).await;
    ada.open(&room).await;
    ada.sees(&room, &sent[sent.len() - 1..]).await;
    let here = search(&ada, "GRUSSE", false).await;
    assert_eq!(seqs(&here), [156]);
    assert_eq!((&here["complete"], &here["source"]), (&json!(false), &json!("device")));
    assert!(here["coverage"][0]["complete_from"].as_u64().unwrap() > 2, "{here}");
    let marked: Vec<&str> = here["hits"][0]["snippet"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| part["matched"] == true)
        .map(|part| part["text"].as_str().unwrap())
        .collect();
    assert_eq!(marked, ["grusse"]);
    for (text, found) in [
        ("grüße", vec![156, 2]),
        ("köln grusse 👋", vec![2]),
        ("עולם", vec![3]),
        ("東京", vec![4]),
        ("quoted NEAR", vec![5]),
        ("quoted OR köln", vec![]),
    ] {
        let everywhere = search(&ada, text, true).await;
        assert_eq!(seqs(&everywhere), found, "{text}");
        assert_eq!(everywhere["source"], "server", "{text}");
    }

    // Once everything is here, the device finds the same, also without a network.
    loop {
        let older = ada.must(json!({"cmd": "history", "room": room, "count": 200})).await;
        if older["more"] == false {
            break;
        }
    }
    ada.network("none").await;
    for everywhere in [false, true] {
        let here = search(&ada, "grüße", everywhere).await;
        assert_eq!(seqs(&here), [156, 2]);
        assert_eq!((&here["complete"], &here["source"]), (&json!(true), &json!("device")));
        assert_eq!(here["coverage"][0]["complete_from"], 1);
    }
    for text in ["", " \"*- ", &"x".repeat(10 * 1024)] {
        let error = ada.ask(json!({"cmd": "search", "text": text})).await.unwrap_err();
        assert_eq!(error["error"], "invalid_search", "{error}");
    }
}

#[tokio::test]
async fn pages_of_a_search_come_from_the_device_as_from_the_server() {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = bob.create_room(&["ada"]).await;
    let mut sent = Vec::new();
    for n in 0..60 {
        sent.push(bob.send(&room, &format!("hello {n}")).await);
    }
    bob.sees(&room, &sent).await;
    let ada = Agent::start(&world.client("ada")).await;
    for (agent, everywhere) in [(&bob, false), (&ada, true)] {
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let question = json!({
                "cmd": "search", "text": "hello", "limit": 25, "after": after, "room": room,
                "everywhere": everywhere,
            });
            let page = agent.must(question).await;
            found.extend(seqs(&page));
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(found, (2..=61).rev().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn nobody_finds_what_was_said_in_rooms_of_others() {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    let eve = Agent::start(&world.client("eve")).await;
    let room = bob.create_room(&["ada"]).await;
    let id = bob.send(&room, "a secret").await;
    bob.sees(&room, &[id]).await;
    assert_eq!(seqs(&search(&eve, "secret", true).await), [0_u64; 0]);
    let refused = world.call("eve", "GET", &format!("/v1/search?q=secret&room={room}"), None).await;
    refused.refusal(403, "not_a_member");
}

//! Edits, deletions, reactions, quotes and threads, between clients of one server.

use serde_json::{Value, json};
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::Agent;
use tidewire_tests::view::View;
use tidewire_tests::world::World;

/// Waits until a client shows a message so.
async fn shows(agent: &Agent, room: &str, id: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let so = |view: &View| {
        view.timelines.get(room).and_then(|shown| shown.message(id)).is_some_and(|m| is(&m.json))
    };
    agent.until(what, so).await;
}

async fn edit(agent: &Agent, room: &str, message: &str, text: &str) {
    let edit = json!({"cmd": "edit", "room": room, "message": message, "text": text});
    agent.must(edit).await;
}

async fn react(agent: &Agent, room: &str, message: &str, key: &str) {
    agent.must(json!({"cmd": "react", "room": room, "message": message, "key": key})).await;
}

// scenario: edit-delete-react
#[tokio::test]
async fn what_is_done_to_a_message_shows_at_once_and_everywhere_in_every_mode() {
    for mode in ["real_time", "hybrid", "polling"] {
        let world = World::start().await;
        let network = world.network().await;
        let setup = world.client_over(&network, "ada");
        let ada = Agent::start(&setup).await;
        let bob = Agent::start(&world.client("bob")).await;
        let room = ada.create_room(&["bob"]).await;
        ada.open(&room).await;
        bob.open(&room).await;
        ada.in_mode("real_time").await;
        ada.ceiling(mode).await;
        let ids = ada.send_numbers(&room, 1..=2).await;
        let [kept, gone] = &ids[..] else { panic!("two messages") };
        bob.sees(&room, &ids).await;

        // Without a network Ada sees it at once, also after she was killed.
        network.cut().await;
        edit(&ada, &room, kept, "better").await;
        react(&ada, &room, kept, "👍").await;
        ada.must(json!({"cmd": "delete", "room": room, "message": gone})).await;
        let changed =
            |m: &Value| m["content"]["text"] == "better" && m["reactions"][0]["mine"] == true;
        shows(&ada, &room, kept, "the edit and the reaction", changed).await;
        shows(&ada, &room, gone, "the deletion", |m| {
            m["deleted"]["seq"].is_null() && m["changing"] == true
        })
        .await;
        ada.kill().await;
        let ada = Agent::start(&setup).await;
        ada.open(&room).await;
        shows(&ada, &room, kept, "the edit and the reaction again", changed).await;
        // Bob reacts meanwhile.
        react(&bob, &room, kept, "👍").await;
        network.set(Fault::None);

        for agent in [&ada, &bob] {
            shows(agent, &room, kept, "both reactions on what it says now", |m| {
                m["edited"]["seq"].is_u64()
                    && m["content"]["text"] == "better"
                    && m["reactions"][0]["count"] == 2
                    && m["reactions"][0]["mine"] == true
                    && m.get("changing").is_none()
            })
            .await;
            shows(agent, &room, gone, "nothing of what was deleted", |m| {
                m["deleted"]["seq"].is_u64() && m["content"]["text"].is_null()
            })
            .await;
        }
        // A client that comes later reads the same out of the folded history.
        let again =
            Agent::start(&world.client("bob").data(world.folder().join("another device"))).await;
        again.open(&room).await;
        shows(&again, &room, kept, "the same to whoever comes later", |m| {
            m["content"]["text"] == "better" && m["reactions"][0]["count"] == 2
        })
        .await;
        let kinds = |view: &View| {
            view.timeline(&room).messages().all(|m| m.kind != "edit" && m.kind != "reaction")
        };
        assert!(kinds(&ada.view()) && kinds(&bob.view()), "no change makes a row");
    }
}

#[tokio::test]
async fn a_change_that_the_server_refuses_goes_again_and_holds_nothing() {
    let world = World::start().await;
    let network = world.network().await;
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    ada.open(&room).await;
    bob.open(&room).await;
    ada.in_mode("real_time").await;
    let theirs = bob.send(&room, "mine to take back").await;
    ada.sees(&room, std::slice::from_ref(&theirs)).await;
    let not_hers = json!({"cmd": "edit", "room": room, "message": theirs, "text": "x"});
    assert_eq!(ada.ask(not_hers).await.unwrap_err()["error"], "not_yours");

    network.cut().await;
    react(&ada, &room, &theirs, "👍").await;
    shows(&ada, &room, &theirs, "the reaction", |m| m["reactions"][0]["mine"] == true).await;
    let behind = ada.send(&room, "behind it").await;
    bob.must(json!({"cmd": "delete", "room": room, "message": theirs})).await;
    shows(&bob, &room, &theirs, "the deletion", |m| m["deleted"]["seq"].is_u64()).await;
    network.set(Fault::None);
    ada.sees(&room, &[behind]).await;
    shows(&ada, &room, &theirs, "no reaction", |m| {
        m["deleted"]["seq"].is_u64() && m.get("reactions").is_none()
    })
    .await;
}

// scenario: quote-thread
#[tokio::test]
async fn a_quote_follows_what_it_quotes_and_a_thread_is_counted_where_it_hangs() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    ada.open(&room).await;
    bob.open(&room).await;
    let root = ada.send(&room, "root").await;
    bob.sees(&room, std::slice::from_ref(&root)).await;
    let send =
        |text: &str, field: &str| json!({"cmd": "send", "room": room, "text": text, field: root});
    let quote = bob.must(send("quoting", "reply_to")).await["message"].as_str().unwrap().to_owned();
    bob.must(send("in the thread", "thread")).await;
    for agent in [&ada, &bob] {
        shows(agent, &room, &quote, "the quote", |m| m["reply_to"]["message"]["text"] == "root")
            .await;
        shows(agent, &room, &root, "one reply", |m| m["replies"]["count"] == 1).await;
    }
    edit(&ada, &room, &root, "new root").await;
    for agent in [&ada, &bob] {
        let now = |m: &Value| m["reply_to"]["message"]["text"] == "new root";
        shows(agent, &room, &quote, "what it says now", now).await;
    }
    ada.must(json!({"cmd": "delete", "room": room, "message": root})).await;
    for agent in [&ada, &bob] {
        let gone = |m: &Value| m["reply_to"]["message"]["deleted"] == true;
        shows(agent, &room, &quote, "that it is gone", gone).await;
        let texts = agent.view().timeline(&room).texts().join(" ");
        assert!(!texts.contains("in the thread"), "{texts}");
    }
}

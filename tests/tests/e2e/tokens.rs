//! Tokens that are not good: the app hears that its user has to sign in, and nothing is lost.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

#[tokio::test]
async fn a_wrong_token_is_told_and_cached_rooms_stay_readable() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let sent = ada.send_numbers(&room, 1..=1).await;
    ada.sees(&room, &sent).await;
    ada.quit().await;
    let ada = Agent::start(&setup.clone().token("no.such.token")).await;
    ada.has_problem("auth_required").await;
    ada.open(&room).await;
    let ids = ada.send_numbers(&room, 2..=2).await;
    assert_eq!(ada.message(&room, &ids[0]).state, "sending");
    assert!(!ada.view().has_problem("send_failed"));
    ada.quit().await;
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada], 3).await;
}

#[tokio::test]
async fn another_users_token_is_neither_read_nor_sent_with() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    // Eve is in it as well: the server would take the message as hers.
    let room = ada.create_room(&["eve"]).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    ada.send_numbers(&room, 1..=1).await;
    ada.kill().await;
    let eve = Agent::start(&world.client("eve")).await;
    let secret = eve.create_room(&[]).await;
    eve.send(&secret, "not for Ada").await;

    let ada = Agent::start(&setup.clone().token(world.server.token("eve"))).await;
    ada.until("the trouble is told", |view| {
        view.has_problem("wrong_user") || view.has_problem("auth_required")
    })
    .await;
    ada.open(&room).await;
    assert_eq!(ada.view().timeline(&room).texts(), ["ada 1"]);
    let rooms = ada.must(json!({"cmd": "rooms"})).await;
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 1, "{rooms}");
    assert!(!ada.view().has_problem("send_failed"));
    ada.quit().await;
    assert_eq!(world.log(&room, "ada").await.len(), 1, "nothing was sent under a wrong name");

    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada], 2).await;
}

#[tokio::test]
async fn a_first_start_with_another_users_token_shows_nothing_of_that_user() {
    let world = World::start().await;
    let eve = Agent::start(&world.client("eve")).await;
    eve.create_room(&[]).await;
    let ada = Agent::start(&world.client("ada").token(world.server.token("eve"))).await;
    ada.has_problem("wrong_user").await;
    assert_eq!(ada.must(json!({"cmd": "rooms"})).await["rooms"], json!([]));
    ada.quit().await;
}

#[tokio::test]
async fn an_expired_token_makes_sends_wait_and_not_fail() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.quit().await;
    let ada = Agent::start(&setup.clone().token(world.server.token_for("ada", -60))).await;
    ada.has_problem("auth_required").await;
    ada.open(&room).await;
    let ids = ada.send_numbers(&room, 1..=3).await;
    assert!(ids.iter().all(|id| ada.message(&room, id).state == "sending"));
    let error = ada.ask(json!({"cmd": "members", "room": room})).await.unwrap_err();
    assert_eq!(error["error"], "auth_required");
    ada.quit().await;
    let ada = Agent::start(&setup).await;
    bob.sees(&room, &ids).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada, &bob], 4).await;
}

// scenario: token-expires
#[tokio::test]
async fn a_token_that_ends_in_mid_conversation_is_told_and_nothing_fails() {
    for mode in ["real_time", "polling"] {
        let world = World::start().await;
        let setup = world.client("ada");
        let bob = Agent::start(&world.client("bob")).await;
        let room = bob.create_room(&["ada"]).await;
        let ada = Agent::start(&setup.clone().token(world.server.token_for("ada", 2))).await;
        ada.open(&room).await;
        ada.ceiling(mode).await;
        ada.has_problem("auth_required").await;
        let ids = ada.send_numbers(&room, 1..=1).await;
        assert_eq!(ada.message(&room, &ids[0]).state, "sending");
        ada.quit().await;
        let ada = Agent::start(&setup).await;
        bob.sees(&room, &ids).await;
        ada.open(&room).await;
        world.agree(&room, &[&ada, &bob], 2).await;
    }
}

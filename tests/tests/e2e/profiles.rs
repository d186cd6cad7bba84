//! Who somebody is, at once and as it is now.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

async fn name_of(agent: &Agent, user: &str) -> Value {
    let profiles = agent.must(json!({"cmd": "profiles", "users": [user]})).await;
    profiles["profiles"][0]["name"].clone()
}

// scenario: profiles
#[tokio::test]
async fn a_profile_is_shown_as_last_seen_and_replaced_by_what_it_is_now() {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.must(json!({"cmd": "set_profile", "name": "Bob 🚤 בוב"})).await;
    let setup = world.client("ada").knob("cache-ttl-ms", 1);
    let ada = Agent::start(&setup).await;
    assert_eq!(name_of(&ada, "bob").await, "Bob 🚤 בוב");
    bob.must(json!({"cmd": "set_profile", "name": "Captain Bob"})).await;
    // Whatever comes at once, what it is now comes before long.
    loop {
        if name_of(&ada, "bob").await == "Captain Bob" {
            break;
        }
        tokio::task::yield_now().await;
    }
    // Without a network it is as it was.
    ada.network("none").await;
    bob.must(json!({"cmd": "set_profile", "name": "Nobody"})).await;
    assert_eq!(name_of(&ada, "bob").await, "Captain Bob");
    ada.quit().await;
    let ada = Agent::start(&setup).await;
    ada.network("none").await;
    let name = name_of(&ada, "bob").await;
    assert!(name == "Captain Bob" || name == "Nobody", "{name}");
}

#[tokio::test]
async fn more_users_than_a_request_carries_all_have_their_profile() {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.must(json!({"cmd": "set_profile", "name": "Bob"})).await;
    let ada = Agent::start(&world.client("ada")).await;
    let mut users: Vec<String> = (0..249).map(|n| format!("user{n}")).collect();
    users.push("bob".into());
    let told = ada.must(json!({"cmd": "profiles", "users": users})).await;
    assert_eq!(told["profiles"].as_array().map(Vec::len), Some(250));
    assert_eq!(told["profiles"][249]["name"], "Bob");
}

#[tokio::test]
async fn a_name_of_a_megabyte_is_refused_and_never_cut_off() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let longest = "é".repeat(128);
    for name in ["x".repeat(1024 * 1024), format!("{longest}x")] {
        let refused = ada.ask(json!({"cmd": "set_profile", "name": name})).await.unwrap_err();
        assert_eq!(refused["error"], "invalid_content", "{refused}");
    }
    // The server says the same to those who do not look for themselves.
    for name in ["x".repeat(200 * 1024), format!("{longest}x")] {
        let body = json!({"name": name});
        world.call("ada", "PUT", "/v1/profile", Some(&body)).await.refusal(422, "invalid_content");
    }
    ada.must(json!({"cmd": "set_profile", "name": longest})).await;
    assert_eq!(name_of(&ada, "ada").await, longest.as_str());
}

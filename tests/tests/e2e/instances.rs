//! Several servers on one PostgreSQL and one Redis: a conversation does not notice which of them carries
//! whom, nor which of all that goes away.

use std::sync::Arc;

use tidewire_bench::proxy::Proxy;
use tidewire_tests::agent::Agent;
use tidewire_tests::instances::Instances;

/// Ada on the first server, Bob on the second, Cyd on the third, in one room.
struct Stage {
    all: Instances,
    ada: Agent,
    bob: Agent,
    cyd: Agent,
    bobs_network: Arc<Proxy>,
    room: String,
}

async fn stage() -> Option<Stage> {
    let all = Instances::start(3).await?;
    let (bobs_network, cyds_network) = (all.world.network().await, all.world.network().await);
    bobs_network.set_target(all.others[0].addr());
    cyds_network.set_target(all.others[1].addr());
    let ada = Agent::start(&all.world.client("ada")).await;
    let bob = Agent::start(&all.world.client_over(&bobs_network, "bob")).await;
    let cyd = Agent::start(&all.world.client_over(&cyds_network, "cyd")).await;
    let room = ada.create_room(&["bob", "cyd"]).await;
    bob.open(&room).await;
    cyd.open(&room).await;
    Some(Stage { all, ada, bob, cyd, bobs_network, room })
}

impl Stage {
    /// All three say these numbers.
    async fn say(&self, numbers: std::ops::RangeInclusive<u32>) {
        for agent in [&self.ada, &self.bob, &self.cyd] {
            agent.send_numbers(&self.room, numbers.clone()).await;
        }
    }

    /// Nothing is lost, nothing comes twice, all see the same.
    async fn agree(&self, events: usize) {
        let agents = [&self.ada, &self.bob, &self.cyd];
        self.all.world.agree(&self.room, &agents, events).await;
    }
}

#[tokio::test]
async fn a_conversation_goes_on_across_servers_in_all_modes() {
    let Some(stage) = stage().await else { return };
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        agent.in_mode("real_time").await;
    }
    stage.say(1..=5).await;
    stage.agree(16).await;
    stage.bob.ceiling("polling").await;
    stage.cyd.ceiling("hybrid").await;
    stage.say(6..=10).await;
    stage.agree(31).await;
}

#[tokio::test]
async fn a_client_goes_on_at_another_server_when_its_own_is_killed() {
    let Some(mut stage) = stage().await else { return };
    stage.say(1..=3).await;
    // No wait: some are on their way when the server dies.
    stage.all.others[0].kill().await;
    stage.say(4..=6).await;
    stage.bobs_network.set_target(stage.all.others[1].addr());
    stage.say(7..=9).await;
    stage.agree(28).await;
    stage.bob.in_mode("real_time").await;
}

#[tokio::test]
async fn without_redis_a_conversation_goes_on_and_with_it_again() {
    let Some(stage) = stage().await else { return };
    stage.say(1..=2).await;
    stage.all.redis.stop();
    stage.say(3..=4).await;
    stage.agree(13).await;
    stage.all.redis.start_again();
    stage.say(5..=6).await;
    stage.agree(19).await;
    for agent in [&stage.ada, &stage.bob, &stage.cyd] {
        assert_eq!(agent.view().mode(), "real_time");
    }
}

#[tokio::test]
async fn while_postgres_is_away_everything_waits_and_nothing_is_lost() {
    let Some(stage) = stage().await else { return };
    stage.say(1..=3).await;
    // No wait: some are on their way when it goes.
    stage.all.postgres.stop();
    stage.say(4..=6).await;
    stage.all.postgres.start_again();
    stage.say(7..=9).await;
    stage.agree(28).await;
}

#[tokio::test]
async fn a_second_server_of_the_same_name_does_not_start() {
    let Some(all) = Instances::start(1).await else { return };
    let url = all.postgres.url("tidewire");
    let folder = all.world.folder().join("second");
    let secret = all.world.folder().join("secret.key");
    let ended = std::process::Command::new(&tidewire_tests::binaries::binaries().server)
        .args(["serve", "--listen", "127.0.0.1:0", "--instance-id", "server-0"])
        .args(["--postgres-url", &url])
        .arg("--data")
        .arg(folder)
        .arg("--secret-file")
        .arg(secret)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("--instance-id"), "{said}");
}

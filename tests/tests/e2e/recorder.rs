//! What a client recorded can be gone through again, also after it was killed, and holds nothing
//! that was said.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::binaries::binaries;
use tidewire_tests::world::World;

fn replay(recording: &Path) -> Output {
    let output = Command::new(&binaries().replay).arg(recording).output();
    output.expect("the replay runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

// scenario: recorder
#[tokio::test]
async fn a_recorded_conversation_replays_to_the_same_decisions_after_a_kill_and_holds_no_text() {
    let world = World::start().await;
    let recording = world.folder().join("ada.jsonl");
    let flag = format!("--record={}", recording.display());
    let mut setup = world.client("ada");
    setup.flags.push(flag);
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let mut ids = Vec::new();
    for mode in ["real_time", "hybrid", "polling", "real_time"] {
        ada.ceiling(mode).await;
        ids.push(ada.send(&room, "a lighthouse in the fog").await);
        ids.push(bob.send(&room, "a hedgehog at the door").await);
        ada.sees(&room, &ids).await;
        bob.sees(&room, &ids).await;
        // A rest closes the file, and goes on in it.
        ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
        ada.must(json!({"cmd": "set_app_state", "state": "foreground"})).await;
    }
    ada.must(json!({"cmd": "stats"})).await;
    ada.kill().await;

    let output = replay(&recording);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("same decisions as recorded"), "{told}");
    assert!(told.contains("tell mode RealTime because Unbound"), "{told}");
    let text = std::fs::read_to_string(&recording).unwrap();
    let token = setup.token.clone().unwrap();
    for secret in ["lighthouse", "hedgehog", "Harbour", "\"ada\"", "\"bob\"", token.as_str()] {
        assert!(!text.contains(secret), "{secret} is in the recording");
    }

    // Started again it begins anew, and closed in peace it says so.
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &ids).await;
    ada.quit().await;
    let output = replay(&recording);
    assert!(said(&output).contains("the client was closed"), "{}", said(&output));

    // Cut off in the middle of a line, and something else: which line is told.
    let text = std::fs::read_to_string(&recording).unwrap();
    std::fs::write(&recording, &text[..text.len() - 3]).unwrap();
    let output = replay(&recording);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint.contains(&format!("line {} is cut off", text.lines().count())),
        "{complaint}"
    );
    std::fs::write(&recording, "name,age\n").unwrap();
    let output = replay(&recording);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("line 1 is not the first line of a recording"), "{complaint}");
}

#[tokio::test]
async fn a_recording_that_can_not_be_written_is_told_at_the_start_and_a_full_disk_ends_it() {
    let world = World::start().await;
    let mut setup = world.client("ada");
    setup.flags.push("--record=/nowhere/at/all".into());
    let fatal = Agent::try_start(&setup).await.unwrap_err();
    assert_eq!(fatal["error"]["error"], "io");

    let mut setup = world.client("ada");
    setup.flags.push("--record=/dev/full".into());
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let id = ada.send(&room, "goes on").await;
    ada.sees(&room, &[id]).await;
    ada.quit().await;
}

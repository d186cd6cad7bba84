//! Promises about who may do what in a group, and how it looks.

use tidewire_protocol::{Body, NewRoom, Role, RoleChange, RoomKind, RoomUpdate, Seq};

use super::{Fixture, error, events, room_id, user};
use crate::store::StoreError;

fn looks(name: Option<&str>, avatar_url: Option<&str>) -> RoomUpdate {
    RoomUpdate { name: name.map(Into::into), avatar_url: avatar_url.map(Into::into) }
}

pub(super) async fn a_group_looks_as_its_owners_want_and_is_told_once(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let update = |by: &str, looks| f.store.update_room(room, user(by), looks);
    let both = looks(Some("Harbour"), Some("https://img.example/h"));
    let state = update("ada", both.clone()).await.unwrap();
    assert_eq!((state.name.as_deref(), state.head_seq), (Some("Harbour"), Seq::new(2)));
    assert_eq!(state.avatar_url, both.avatar_url);
    // A repeat changes nothing and is not told.
    assert_eq!(update("ada", both.clone()).await.unwrap().head_seq, Seq::new(2));
    let told = f.history(room, "bob").await.remove(1);
    assert_eq!((told.sender.as_str(), told.body()), ("ada", Body::RoomUpdated(both)));
    // What is left out is cleared.
    let state = update("ada", looks(None, Some("u"))).await.unwrap();
    assert_eq!((state.name, state.avatar_url.as_deref()), (None, Some("u")));
    let bobs = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!((bobs.name, bobs.avatar_url.as_deref()), (None, Some("u")));
    assert!(matches!(error(update("bob", looks(None, None)).await), StoreError::Forbidden(_)));
    assert_eq!(error(update("eve", looks(None, None)).await), StoreError::NotAMember);
    let long = looks(Some(&"x".repeat(257)), None);
    assert!(matches!(error(update("ada", long).await), StoreError::InvalidContent(_)));
    let long = looks(None, Some(&"x".repeat(1_025)));
    assert!(matches!(error(update("ada", long).await), StoreError::InvalidContent(_)));
    let id = room_id();
    let direct = NewRoom { id, kind: RoomKind::Direct, name: None, members: vec![user("bob")] };
    f.store.create_room(user("ada"), direct).await.unwrap();
    let refused = f.store.update_room(id, user("ada"), looks(Some("Us"), None)).await;
    assert!(matches!(error(refused), StoreError::Forbidden(_)));
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().head_seq, Seq::new(3));
}

pub(super) async fn owners_give_roles_and_the_last_one_stays(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let give = |by: &str, to: &str, role| f.store.set_role(room, user(by), user(to), role);
    let forbidden = |result| matches!(error(result), StoreError::Forbidden(_));
    let invalid = |result| matches!(error(result), StoreError::InvalidContent(_));
    assert!(forbidden(give("bob", "bob", Role::Owner).await));
    assert!(forbidden(give("ada", "ada", Role::Member).await), "the last owner");
    assert!(invalid(give("ada", "bob", Role::Other).await));
    assert!(invalid(give("ada", "eve", Role::Owner).await));
    assert_eq!(error(give("eve", "bob", Role::Owner).await), StoreError::NotAMember);
    assert_eq!(give("ada", "ada", Role::Owner).await.unwrap().head_seq, Seq::new(1), "no change");
    assert_eq!(give("ada", "bob", Role::Owner).await.unwrap().head_seq, Seq::new(2));
    let told = f.history(room, "cyd").await.remove(1);
    let change = RoleChange { user: user("bob"), role: Role::Owner };
    assert_eq!((told.sender.as_str(), told.body()), ("ada", Body::MemberRole(change)));
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().role, Role::Owner);
    // Another owner may take it away.
    let state = give("bob", "ada", Role::Member).await.unwrap();
    assert_eq!((state.role, state.head_seq), (Role::Owner, Seq::new(3)));
    assert!(forbidden(give("ada", "bob", Role::Member).await));
    assert!(forbidden(give("bob", "bob", Role::Member).await));
    let members = f.store.members(room, user("cyd"), None).await.unwrap().members;
    let owners: Vec<_> = members.iter().filter(|member| member.role == Role::Owner).collect();
    assert_eq!((owners.len(), owners[0].user.as_str()), (1, "bob"));
    assert_eq!(
        events(&[f.store.room(room, user("ada")).await.unwrap().last_event.unwrap()]).len(),
        1
    );
}

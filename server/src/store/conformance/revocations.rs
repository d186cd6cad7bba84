//! Tokens that were taken back.

use super::{Fixture, user};
use crate::auth::Revocation;

pub(super) async fn what_was_revoked_is_known_to_all_and_stays_so(fixture: &Fixture<'_>) {
    let store = &fixture.store;
    assert_eq!(store.revocations((0, 0)).await.unwrap(), None, "nothing yet");
    let token = Revocation::Token("one".into());
    let of_ada = |until| Revocation::User { user: user("ada"), until };
    let mut mark = (0, 0);
    for revocation in [token.clone(), of_ada(10), of_ada(20)] {
        store.revoke(revocation.clone()).await.unwrap();
        let (next, all) = store.revocations(mark).await.unwrap().expect("news");
        assert!(all.contains(&revocation), "{all:?}");
        assert_eq!(store.revocations(next).await.unwrap(), None, "told once");
        mark = next;
    }
    // What is weaker than what there is takes nothing back.
    store.revoke(of_ada(15)).await.unwrap();
    store.revoke(token.clone()).await.unwrap();
    store.close().await;
    let again = fixture.reopened().await;
    let (_, all) = again.revocations((0, 0)).await.unwrap().expect("they are still there");
    assert!(all.contains(&token) && all.contains(&of_ada(20)), "{all:?}");
    again.close().await;
}

//! When users were last seen.

use super::{Fixture, user};

pub(super) async fn a_user_was_last_seen_at_the_latest_moment_told(fixture: &Fixture<'_>) {
    let (ada, bob) = (user("ada"), user("bob"));
    fixture.store.put_last_seen(vec![(ada.clone(), 1_000), (bob.clone(), 5_000)]).await.unwrap();
    // Later news may come first, and a clock may go back.
    fixture.store.put_last_seen(vec![(ada.clone(), 3_000), (bob.clone(), 4_000)]).await.unwrap();
    fixture.store.put_last_seen(Vec::new()).await.unwrap();
    let asked = vec![bob, user("nobody"), ada];
    let seen = fixture.store.last_seen(asked.clone()).await.unwrap();
    assert_eq!(seen, [Some(5_000), None, Some(3_000)], "in the order asked");
    fixture.store.close().await;
    let again = fixture.reopened().await;
    assert_eq!(again.last_seen(asked).await.unwrap(), seen);
    again.close().await;
}

pub(super) async fn to_be_seen_is_no_news_in_the_log(fixture: &Fixture<'_>) {
    let before = fixture.store.heads().await.unwrap();
    fixture.store.put_last_seen(vec![(user("ada"), 1_000)]).await.unwrap();
    assert_eq!(fixture.store.heads().await.unwrap(), before);
}

//! A list against the plain thing: everything filtered and sorted anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidewire_protocol::{Role, RoomId, RoomKind, RoomSettings};
use uuid::Uuid;

use super::*;

/// A room of the plain thing.
#[derive(Debug, Clone)]
struct Plain {
    name: String,
    settings: RoomSettings,
    unread: bool,
    at: i64,
}

#[derive(Debug, Default)]
struct Plains(BTreeMap<RoomId, Plain>);

impl Source for Plains {
    fn facts(&self, room: RoomId) -> Option<Facts<'_>> {
        let Plain { name, settings, unread, at } = self.0.get(&room)?;
        let kind = RoomKind::Group;
        Some(Facts { kind, name, settings: *settings, unread: *unread, at: *at })
    }

    fn row(&self, room: RoomId) -> Option<RoomListRow> {
        let plain = self.0.get(&room)?;
        Some(RoomListRow {
            room,
            kind: RoomKind::Group,
            name: Some(plain.name.clone()),
            avatar_url: None,
            peer: None,
            profile: None,
            members: 2,
            role: Role::Member,
            mute: None,
            slow_mode_ms: 0,
            settings: plain.settings,
            unread: Unread { messages: plain.unread.into(), ..Unread::NOTHING },
            last_message: None,
            draft: None,
            pending: 0,
            failed: false,
            at: plain.at,
        })
    }
}

fn id(number: u8) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(u128::from(number)))
}

/// The whole list, sorted anew.
fn sorted(plains: &Plains, query: &RoomListQuery) -> Vec<RoomId> {
    let filter = &query.filter;
    let contains = filter.name.as_deref().map(folded).unwrap_or_default();
    let mut rooms: Vec<(&RoomId, &Plain)> = plains
        .0
        .iter()
        .filter(|(_, plain)| {
            (!filter.unread || plain.unread)
                && plain.settings.archived == filter.archived
                && filter.muted.is_none_or(|muted| plain.settings.muted == muted)
                && folded(&plain.name).contains(&contains)
        })
        .collect();
    rooms.sort_by_key(|(id, plain)| {
        let read = query.sort == RoomSort::UnreadFirst && !plain.unread;
        let by_name = query.sort == RoomSort::Name;
        let name = if by_name { folded(&plain.name) } else { String::new() };
        let at = if by_name { 0 } else { plain.at };
        (!plain.settings.pinned, read, name, Reverse(at), Reverse(**id))
    });
    rooms.into_iter().map(|(id, _)| *id).collect()
}

fn a_room() -> impl Strategy<Value = Option<Plain>> {
    let settings = (any::<bool>(), 0u8..4, 0u8..4).prop_map(|(muted, pinned, archived)| {
        RoomSettings { muted, pinned: pinned == 0, archived: archived == 0 }
    });
    let room = ("[a-cA-CÄé ]{0,3}", settings, any::<bool>(), 0i64..6)
        .prop_map(|(name, settings, unread, at)| Plain { name, settings, unread, at });
    prop::option::weighted(0.9, room)
}

fn a_query() -> impl Strategy<Value = RoomListQuery> {
    let sort =
        prop_oneof![Just(RoomSort::Recent), Just(RoomSort::UnreadFirst), Just(RoomSort::Name)];
    let filter = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.2, "[aBä]"),
    )
        .prop_map(|(unread, archived, muted, name)| RoomFilter {
            unread,
            kind: None,
            archived,
            muted,
            name,
        });
    (sort, filter, 1usize..12).prop_map(|(sort, filter, window)| RoomListQuery {
        sort,
        filter,
        window,
    })
}

proptest! {
    /// Whatever changes, and wherever it is scrolled to, the rows that were built from the updates
    /// are the window of the sorted whole.
    #[test]
    fn a_list_is_a_window_of_everything_sorted(
        query in a_query(),
        steps in prop::collection::vec(
            (prop::collection::vec((0u8..20, a_room()), 0..4), prop::option::of((0usize..24, 0usize..6))),
            1..40,
        ),
    ) {
        let mut plains = Plains::default();
        let mut list = List::new(query.clone());
        let mut rows = Vec::new();
        for (changes, scrolled) in steps {
            let mut dirty = BTreeSet::new();
            for (number, room) in changes {
                dirty.insert(id(number));
                match room {
                    Some(room) => plains.0.insert(id(number), room),
                    None => plains.0.remove(&id(number)),
                };
            }
            if let Some((first, count)) = scrolled {
                list.show(first, count, Vec::new());
            }
            let update = list.update(&dirty, &plains);
            if let Some(update) = &update {
                update.apply(&mut rows);
            }
            let whole = sorted(&plains, &query);
            let (first, total) = list.told;
            prop_assert_eq!(total, whole.len());
            let ids: Vec<RoomId> = rows.iter().map(|row| row.room).collect();
            let end = (first + list.window).min(total);
            prop_assert_eq!(&ids[..], &whole[first..end]);
            for row in &rows {
                let plain = plains.row(row.room);
                prop_assert_eq!(Some(row.as_ref()), plain.as_ref());
            }
            if let Some((from, count)) = scrolled {
                let visible = from.min(total)..(from + count).min(total);
                prop_assert!(
                    visible.is_empty() || first <= visible.start && visible.end <= end,
                    "{:?} of {:?}", visible, first..end
                );
            }
            match list.reset() {
                RoomListUpdate::Reset { rows: reset, .. } => prop_assert_eq!(&reset, &rows),
                RoomListUpdate::Diff { .. } => prop_assert!(false),
            }
            prop_assert_eq!(list.update(&BTreeSet::new(), &plains), None, "nothing is told twice");
        }
    }
}

#[test]
fn a_room_that_moves_is_taken_out_once_and_put_in_once() {
    let mut plains = Plains::default();
    for number in 0..100 {
        let (name, settings) = (String::new(), RoomSettings::default());
        let at = i64::from(number);
        plains.0.insert(id(number), Plain { name, settings, unread: true, at });
    }
    let all = plains.0.keys().copied().collect();
    let mut list =
        List::new(RoomListQuery { sort: RoomSort::UnreadFirst, ..RoomListQuery::default() });
    list.update(&all, &plains);
    let mut moves = |change: fn(&mut Plain)| {
        plains.0.get_mut(&id(50)).map(change);
        match list.update(&BTreeSet::from([id(50)]), &plains) {
            Some(RoomListUpdate::Diff { changes, .. }) => changes,
            other => panic!("{other:?}"),
        }
    };
    // Up, and then all the way down.
    let up = moves(|room| room.at = 1_000);
    assert!(
        matches!(
            up[..],
            [RoomListChange::Remove { index: 49 }, RoomListChange::Insert { index: 0, .. }]
        ),
        "{up:?}"
    );
    let down = moves(|room| room.unread = false);
    assert!(
        matches!(
            down[..],
            [RoomListChange::Remove { index: 0 }, RoomListChange::Insert { index: 99, .. }]
        ),
        "{down:?}"
    );
}

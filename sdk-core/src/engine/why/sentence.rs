//! What facts say together, in one sentence. The only place where explanations become text.

use tidewire_protocol::{AppState, Mode};

use super::fact::{Fact, Lift, SocketStage, StoreStage, TokenStage, Vehicle, Way};
use crate::engine::mode::ceilings::{Reason, lowest};
use crate::engine::timeline::message::MessageState;

/// The first fact tells what the subject is; the others make the sentence.
pub(super) fn sentence(facts: &[Fact]) -> String {
    let text = match facts.first() {
        Some(Fact::Mode { mode, reason }) => of_mode(*mode, *reason, facts),
        Some(Fact::Message { state }) => of_message(state, facts),
        Some(Fact::Room { complete, fresh }) => of_room(*complete, *fresh, facts),
        _ => "Nothing is known of it".into(),
    };
    format!("{text}.")
}

fn of_mode(mode: Mode, reason: Reason, facts: &[Fact]) -> String {
    let mut parts = vec![format!("{} because {reason}", title(mode))];
    if mode < Mode::RealTime {
        parts.push(what_else(facts));
        parts.extend(facts.iter().find_map(|fact| match fact {
            Fact::Ceiling { binds: true, lifted_by, .. } => lift(*lifted_by),
            _ => None,
        }));
    }
    for fact in facts {
        parts.extend(match fact {
            Fact::Spread { towards, in_ms } => {
                Some(format!("it follows the crowd to {} in {}", name(*towards), time(*in_ms)))
            }
            Fact::Dwell { in_ms } => {
                Some(format!("the crowd allows more, from {} on", within(*in_ms)))
            }
            Fact::Grace { in_ms } => {
                Some(format!("the app is in the background: the socket goes in {}", time(*in_ms)))
            }
            Fact::Socket { stage: SocketStage::Opening | SocketStage::Greeting, .. } => {
                Some("the socket is being opened".into())
            }
            other => obstacle(other).filter(|_| !matches!(other, Fact::Ceiling { .. })),
        });
    }
    parts.join("; ")
}

/// What the other ceilings would allow.
fn what_else(facts: &[Fact]) -> String {
    let others = facts.iter().filter_map(|fact| match fact {
        Fact::Ceiling { signal, allows, binds: false, .. } => Some((*allows, *signal)),
        _ => None,
    });
    let next = lowest(others);
    match next.mode {
        Mode::RealTime => "everything else would allow real-time".into(),
        mode => format!("without that it would be {} because {}", name(mode), next.reason),
    }
}

fn lift(lift: Lift) -> Option<String> {
    Some(match lift {
        Lift::Nothing => return None,
        Lift::OtherNetwork => "another network would lift it".into(),
        Lift::Foreground => "the foreground would lift it".into(),
        Lift::App => "the app may raise it".into(),
        Lift::DataSaverOff => "a network that is not metered would lift it".into(),
        Lift::PowerSavingOff => "the end of power saving would lift it".into(),
        Lift::Budget { in_ms: Some(in_ms) } => {
            format!("there is more to spend in {}", time(in_ms))
        }
        Lift::Budget { in_ms: None } => "a larger budget would lift it".into(),
        Lift::Socket { in_ms } => format!("the next socket is tried in {}", time(in_ms)),
        Lift::Step { in_ms } => format!("a step up is tried in {}", time(in_ms)),
        Lift::FirstAnswer => "the server's first answer tells it".into(),
        Lift::Audience { at_most } => format!("{at_most} users or fewer would lift it"),
        Lift::Policy { in_ms } => format!("that holds for {}, or until it tells anew", time(in_ms)),
    })
}

fn of_message(state: &MessageState, facts: &[Fact]) -> String {
    match state {
        MessageState::Failed(_) => {
            let reason = facts.iter().find_map(|fact| match fact {
                Fact::Refused { code, message } => {
                    Some(format!("the server refused it ({code}: {message})"))
                }
                Fact::TooOld => {
                    Some("it was sent so long ago that the server may have forgotten it".into())
                }
                Fact::Expired => Some("it was not sent in the time that it had".into()),
                Fact::Copy { trouble } => Some(trouble.to_string()),
                _ => None,
            });
            let reason = reason.unwrap_or_else(|| "it can not be sent".into());
            let lost = facts.iter().any(|fact| matches!(fact, Fact::Copy { .. }));
            let advice =
                if lost { "discard it and send the file again" } else { "retry or discard it" };
            format!("Failed: {reason}; {advice}")
        }
        MessageState::Waiting(id) if facts.contains(&Fact::WaitsForUploads { id: *id }) => {
            format!("Waiting: {}, where the files of {id} are uploaded first", queue(facts))
        }
        MessageState::Waiting(id) => {
            format!("Waiting: {}, where {id} has failed; retry or discard that one", queue(facts))
        }
        MessageState::Sending => format!("Sending: {}", sending(facts)),
        MessageState::Sent | MessageState::Delivered | MessageState::Read => in_log(state, facts),
    }
}

fn queue(facts: &[Fact]) -> String {
    let place = facts.iter().find_map(|fact| match fact {
        Fact::Queue { position, ahead } => Some((*position, *ahead)),
        _ => None,
    });
    match place {
        Some((position, Some(ahead))) => {
            format!("{} in the queue of this room, behind {ahead}", ordinal(position))
        }
        Some((position, None)) => format!("{} in the queue of this room", ordinal(position)),
        None => "not in the queue yet".into(),
    }
}

fn sending(facts: &[Fact]) -> String {
    let way = facts.iter().find_map(|fact| match fact {
        Fact::InFlight { vehicle, for_ms } => {
            let with = match vehicle {
                Vehicle::Socket => "over the socket",
                Vehicle::Poll => "with a poll",
                Vehicle::Request => "with a request of its own",
            };
            Some(format!("on its way {with} for {}", time(*for_ms)))
        }
        Fact::Writing => Some("being written to the disk".into()),
        Fact::Uploading { files, sent, size } => Some(uploading(*files, (*sent, *size), facts)),
        _ => None,
    });
    if let Some(way) = way {
        return way;
    }
    let waits = facts.iter().find_map(|fact| match fact {
        Fact::BehindFlight { for_ms } => {
            Some(format!("which waits for the answer to those before it, for {}", time(*for_ms)))
        }
        Fact::Reading => Some("which goes out with the next poll".into()),
        Fact::Socket { .. } => Some("which waits for the socket".into()),
        other => waits_for(other).map(|what| format!("which waits for {what}")),
    });
    let waits = waits.unwrap_or_else(|| "which goes out at once".into());
    format!("{}, {waits}", queue(facts))
}

/// How far the files of a message are, and what they wait for.
fn uploading(files: u32, (sent, size): (u64, u64), facts: &[Fact]) -> String {
    let what =
        if files == 1 { "its file is".to_owned() } else { format!("{files} of its files are") };
    let what = format!("{what} being uploaded, {sent} of {size} bytes have left");
    let waits = facts.iter().find_map(|fact| match fact {
        Fact::BehindUploads => Some("the files of those before it".to_owned()),
        other => waits_for(other),
    });
    match waits {
        Some(waits) => format!("{what}; that waits for {waits}"),
        None => what,
    }
}

fn in_log(state: &MessageState, facts: &[Fact]) -> String {
    let seq = facts.iter().find_map(|fact| match fact {
        Fact::InLog { seq } => Some(*seq),
        _ => None,
    });
    let place = seq.map(|seq| format!("at {seq} of the room")).unwrap_or_default();
    let reach = facts.iter().find_map(|fact| match fact {
        Fact::FromOther { sender } => Some(format!("{sender} sent it")),
        Fact::Receipts { delivered, read, of } => {
            Some(format!("{delivered} of {of} others have it, {read} have read it"))
        }
        Fact::Alone => Some("there is nobody else in the room".into()),
        Fact::AboveReceiptMembers { members, limit } => Some(format!(
            "the room has {members} members, and above {limit} nobody sees how far the others are"
        )),
        Fact::ReceiptsAwaited => Some("how far the others are is not known yet".into()),
        _ => None,
    });
    let head = match state {
        MessageState::Delivered => "Delivered",
        MessageState::Read => "Read",
        _ => "Sent",
    };
    format!("{head}: {place}; {}", reach.unwrap_or_default())
}

fn of_room(complete: bool, fresh: bool, facts: &[Fact]) -> String {
    if facts.contains(&Fact::NotJoined) {
        return "Ended: the user is no member of the room any more".into();
    }
    let head = match (complete, fresh) {
        (true, true) => "Complete and fresh",
        (true, false) => "Complete as far as is known, and not fresh",
        (false, _) => "Incomplete",
    };
    let mut parts: Vec<String> = facts.iter().filter_map(about_room).collect();
    if parts.is_empty() {
        parts.push("nothing is missing".into());
    }
    format!("{head}: {}", parts.join("; "))
}

fn about_room(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Gap { from, to } => format!("{from} to {to} are not here, fetch them if wanted"),
        Fact::Stale { from, to } => format!("{from} to {to} may have changed since they were read"),
        Fact::Behind { feed_seq, head_seq } => {
            format!("the feed is at {feed_seq} of {head_seq}")
        }
        Fact::CatchingUp => "the feed has more than was read so far".into(),
        Fact::Fetching => "history is being fetched".into(),
        Fact::Pushed => "the feed is pushed".into(),
        Fact::Live => "the room is live".into(),
        Fact::LastRead { ms_ago: Some(ms_ago) } => format!("read {} ago", time(*ms_ago)),
        Fact::LastRead { ms_ago: None } => "never read since the start".into(),
        Fact::Reading => "being read now".into(),
        Fact::NextRead { in_ms } => format!("the next read is due in {}", time(*in_ms)),
        Fact::Socket { .. } => "it waits for the socket".into(),
        other => format!("it waits for {}", waits_for(other)?),
    })
}

/// An obstacle, as a clause of its own.
fn obstacle(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Suspended => "the app is suspended".into(),
        other => format!("the client waits for {}", waits_for(other)?),
    })
}

/// What an obstacle makes wait for.
fn waits_for(fact: &Fact) -> Option<String> {
    let again = |retry: &Option<u64>| match retry {
        Some(in_ms) => format!("; next try in {}", time(*in_ms)),
        None => String::new(),
    };
    Some(match fact {
        Fact::Suspended => "the app, which is suspended".into(),
        Fact::Ceiling { signal: Reason::Network(_), binds: true, .. } => "the network".into(),
        Fact::Ceiling { signal: Reason::App(AppState::Suspended), binds: true, .. } => {
            "the app, which is suspended".into()
        }
        Fact::Ceiling { signal, binds: true, .. } => {
            format!("the connection, which is off because {signal}")
        }
        Fact::Store { stage: StoreStage::Loading, .. } => "the disk".into(),
        Fact::Store { stage: StoreStage::Failed, retry_in_ms } => {
            format!("the disk, which failed{}", again(retry_in_ms))
        }
        Fact::Token { stage: TokenStage::Missing, .. } => "a token".into(),
        Fact::Token { stage: TokenStage::Asked, .. } => {
            "a token, which the app is asked for".into()
        }
        Fact::Token { stage: TokenStage::Failed, retry_in_ms } => {
            format!("a token that the server takes{}", again(retry_in_ms))
        }
        Fact::NoPosition => "the list of rooms".into(),
        Fact::Slot { way, in_ms } => {
            format!("the server's slot for {}; next try in {}", of_way(*way), time(*in_ms))
        }
        Fact::Backoff { way, failures, in_ms } => format!(
            "{} after {failures} failures in a row; next try in {}",
            of_way(*way),
            time(*in_ms)
        ),
        Fact::HeldBack { in_ms: Some(in_ms) } => {
            format!("the budget, which has more in {}", time(*in_ms))
        }
        Fact::HeldBack { in_ms: None } => {
            "somebody who asks: the budget allows no read by itself".into()
        }
        _ => return None,
    })
}

fn of_way(way: Way) -> &'static str {
    match way {
        Way::Requests => "requests",
        Way::Sockets => "the socket",
        Way::Sends => "sends",
        Way::History => "history",
        Way::Uploads => "uploads",
        Way::SlowMode => "messages in slow mode",
    }
}

fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Offline => "Offline",
        Mode::Polling => "Polling",
        Mode::Hybrid => "Hybrid",
        Mode::RealTime => "Real-time",
    }
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Offline => "offline",
        Mode::Polling => "polling",
        Mode::Hybrid => "hybrid",
        Mode::RealTime => "real-time",
    }
}

fn ordinal(number: u32) -> String {
    const WORDS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    match WORDS.get(number.saturating_sub(1) as usize) {
        Some(word) => (*word).into(),
        None => format!("number {number}"),
    }
}

fn within(in_ms: u64) -> String {
    format!("{} from now", time(in_ms))
}

/// A duration as people say it.
fn time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => {
            let tenths = ms / 100;
            match tenths % 10 {
                0 => format!("{} s", tenths / 10),
                rest => format!("{}.{rest} s", tenths / 10),
            }
        }
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let said: Vec<String> = [0, 80, 4_000, 4_250, 59_999, 240_000, 7_200_000, u64::MAX]
            .into_iter()
            .map(time)
            .collect();
        assert_eq!(said[..6], ["0 ms", "80 ms", "4 s", "4.2 s", "59 s", "4 min"]);
        assert_eq!(said[6], "2 h");
    }

    #[test]
    fn a_mode_tells_what_binds_it_and_what_the_rest_would_allow() {
        let ceiling = |signal, allows, binds, lifted_by| Fact::Ceiling {
            signal,
            allows,
            binds,
            for_ms: 0,
            lifted_by,
        };
        let network = Reason::Network(crate::engine::mode::ceilings::NetworkKind::Cellular2G);
        let bound = ceiling(network, Mode::Polling, true, Lift::OtherNetwork);
        let free = ceiling(Reason::Policy, Mode::RealTime, false, Lift::Nothing);
        let mode = Fact::Mode { mode: Mode::Polling, reason: network };
        assert_eq!(
            sentence(&[mode.clone(), bound.clone(), free]),
            "Polling because the network is 2G; everything else would allow real-time; another \
             network would lift it."
        );
        let saver = ceiling(Reason::DataSaver, Mode::Hybrid, false, Lift::DataSaverOff);
        assert_eq!(
            sentence(&[mode, bound, saver]),
            "Polling because the network is 2G; without that it would be hybrid because data saver \
             is on; another network would lift it."
        );
    }
}

//! Thousands of SDK clients on one server, all of them in real-time, because its policy says that it can carry them.

use super::{Error, Plan};
use crate::load::{self, Clients, Options, Report, Rooms, Scenario, Traffic};

/// Lets so many clients talk, in rooms of ten, each with its store in memory.
pub(super) async fn run(plan: Plan) -> Result<Report, Error> {
    let scenario = Scenario {
        about: "SDK clients in real-time.".into(),
        users: plan.clients,
        seconds: plan.client_seconds,
        arrive: 0.0,
        storms: Vec::new(),
        ceilings: Vec::new(),
        clients: Clients { memory: 1.0, ..Clients::default() },
        rooms: Rooms { members: 10 },
        traffic: Traffic { per_room_per_second: plan.client_rate, text_bytes: 120 },
        mobile: None,
    };
    load::run(&scenario, &Options { admission: plan.admission, ..Options::default() }).await
}

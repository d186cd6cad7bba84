//! `bench store`: the client's store through its public face, beside bare SQLite with the same tables,
//! transactions and pragmas in the same run.

mod calls;
mod database;
mod ingest;
mod memory;
mod reads;
mod wire;

use crate::figures::{Figures, Goal};
pub use memory::child;

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What comes in.
    Ingest,
    /// The first screen, and the list of rooms.
    Start,
    /// A large room that is on disk.
    Room,
    /// A person's reading.
    Reading,
    /// Memory of open rooms.
    Memory,
    /// Public calls and logouts under load.
    Calls,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "ingest" => Part::Ingest,
            "start" => Part::Start,
            "room" => Part::Room,
            "reading" => Part::Reading,
            "memory" => Part::Memory,
            "calls" => Part::Calls,
            _ => return Err("ingest, start, room, reading, memory or calls".to_owned()),
        })
    }
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Nothing but this.
    pub only: Option<Part>,
    /// Events that come in.
    pub events: u64,
    /// Rooms of the large database.
    pub rooms: u64,
    /// Messages of the large database.
    pub messages: u64,
    /// Messages of the small database, in as many rooms; and of the large room a tenth of the large one.
    pub small: u64,
    /// Repeats, alternating with the bare ones.
    pub repeats: usize,
    /// Rooms that a person opens in the reading workload.
    pub steps: usize,
    /// Logouts under load.
    pub logouts: u32,
    /// Of the reading workload.
    pub seed: u64,
}

impl Plan {
    /// What the goals speak of.
    pub fn full(seed: u64) -> Self {
        Self {
            only: None,
            events: 100_000,
            rooms: 1_000,
            messages: 1_000_000,
            small: 10_000,
            repeats: 5,
            steps: 400,
            logouts: 1_000,
            seed,
        }
    }

    /// Some seconds long: it runs, and says nothing of the goals.
    pub fn quick(seed: u64) -> Self {
        Self {
            only: None,
            events: 2_000,
            rooms: 50,
            messages: 5_000,
            small: 2_500,
            repeats: 3,
            steps: 40,
            logouts: 10,
            seed,
        }
    }
}

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    let Plan { only: _, events, rooms, messages, small, repeats, seed, steps, logouts } = plan;
    format!(
        "A client through its public face, polling a server of prepared bytes over 127.0.0.1, with its store on disk; \
         bare: rusqlite with the SDK's own tables, transactions and pragmas. Medians of {repeats} alternating repeats; \
         files are in the system's cache.\nIngest: {events} events in pages of 50, five of a hundred reactions and two edits, one room open.\nFirst screen: \
         list and 50 messages of one of {rooms} rooms with {messages} messages, without a network, beside the same with \
         {small}.\nA large room: opened by a client that runs, on the program's main thread and again in a task, from where \
         the bindings call.\nReading: {steps} rooms opened, scrolled and returned to, the newest 100 of 1,000 messages on disk; \
         SEED={seed}.\nLogouts: {logouts}, while pages come in and somebody sends."
    )
}

/// Runs the plan and tells what it does as it goes, to the standard error.
///
/// # Errors
/// When something can not be started, or gives a wrong result.
pub async fn run(plan: Plan) -> Result<Figures, Error> {
    let mut figures = Figures::default();
    let wants = |part| plan.only.is_none_or(|only| only == part);
    if wants(Part::Ingest) {
        ingest(plan, &mut figures).await?;
    }
    if wants(Part::Start) {
        start(plan, &mut figures).await?;
    }
    if wants(Part::Room) {
        room(plan, &mut figures).await?;
    }
    if wants(Part::Reading) {
        reading(plan, &mut figures).await?;
    }
    if wants(Part::Memory) {
        memory(&mut figures).await?;
    }
    if wants(Part::Calls) {
        calls(plan, &mut figures).await?;
    }
    Ok(figures)
}

async fn calls(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    eprintln!("calls and logouts");
    let wire = ingest::wire(10, plan.events / 4).await?;
    let longest = calls::longest(&wire).await?;
    figures.put("calls.longest_run_ms", longest.ran_ms, "ms", Goal::AtMost(2.0));
    figures.put("calls.longest_wall_ms", longest.wall_ms, "ms", Goal::None);
    figures.put("calls.polled", longest.calls as f64, "times", Goal::None);
    let folder = tempfile::tempdir()?;
    let wire = ingest::wire(10, 20_000.min(plan.events)).await?;
    let (failed, left) = calls::logouts(&wire, &folder.path().join("data"), plan.logouts).await?;
    figures.put("logout.failed", failed, "times", Goal::AtMost(0.0));
    figures.put("logout.files_and_threads_left", left, "", Goal::AtMost(0.0));
    Ok(())
}

async fn ingest(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    for rooms in [1, 100] {
        eprintln!("ingest into {rooms} rooms");
        let (mut by_client, mut by_hand) = (Vec::new(), Vec::new());
        let (mut slower, mut bare_slower) = (Vec::new(), Vec::new());
        for _ in 0..plan.repeats {
            let wire = ingest::wire(rooms, plan.events).await?;
            let run = ingest::by_client(&wire).await?;
            by_client.push(run.rate);
            slower.push(run.slower);
            let run = ingest::bare_run(&wire).await?;
            by_hand.push(run.rate);
            bare_slower.push(run.slower);
        }
        let name = |figure: &str| format!("ingest_{rooms}.{figure}");
        let (client, bare) = (median(by_client), median(by_hand));
        figures.put(name("events_per_second"), client, "1/s", Goal::None);
        figures.put(name("bare_events_per_second"), bare, "1/s", Goal::None);
        figures.put(name("share_of_bare"), client / bare, "", Goal::AtLeast(0.5));
        figures.put(name("last_tenth_to_second"), median(slower), "", Goal::AtMost(1.2));
        figures.put(name("bare_last_tenth_to_second"), median(bare_slower), "", Goal::None);
    }
    Ok(())
}

async fn start(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let of = |name: &str| folder.path().join(name);
    eprintln!("databases of {} and {} messages", plan.messages, plan.small);
    let even = |messages: u64| vec![(messages / plan.rooms, 1); plan.rooms as usize];
    // At least a page in the room that is opened.
    let mut small = even(plan.small);
    if let Some(last) = small.last_mut() {
        last.0 = last.0.max(60);
    }
    database::make(database::NOWHERE, &of("large"), &even(plan.messages)).await?;
    database::make(database::NOWHERE, &of("small"), &small).await?;
    eprintln!("first screens");
    let (mut large, mut small, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.repeats {
        large.push(ms(reads::first_screen(&of("large")).await?));
        bare.push(ms(reads::bare_first_screen(&of("large"))?));
        small.push(ms(reads::first_screen(&of("small")).await?));
    }
    let (large, small, bare) = (median(large), median(small), median(bare));
    figures.put("start.first_screen_ms", large, "ms", Goal::AtMost(1_000.0));
    figures.put("start.bare_ms", bare, "ms", Goal::None);
    figures.put("start.to_bare", large / bare, "", Goal::AtMost(3.0));
    figures.put("start.small_ms", small, "ms", Goal::None);
    figures.put("start.to_small", large / small, "", Goal::AtMost(1.5));

    eprintln!("a list of {} rooms", plan.rooms);
    let (opened, changed) = reads::room_list(&of("large"), plan.rooms).await?;
    figures.put("list.open_ms", opened, "ms", Goal::AtMost(100.0));
    figures.put("list.change_shown_ms", changed, "ms", Goal::None);

    Ok(())
}

async fn room(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let of = |name: &str| folder.path().join(name);
    eprintln!("a large room");
    let messages = (plan.messages / 10).max(500);
    database::make(database::NOWHERE, &of("room"), &[(messages, 1)]).await?;
    let (client, bare) = reads::open_room(&of("room"), 0).await?;
    figures.put("open.cached_room_ms", client, "ms", Goal::AtMost(100.0));
    figures.put("open.bare_ms", bare, "ms", Goal::None);
    figures.put("open.to_bare", client / bare, "", Goal::AtMost(3.0));
    let data = of("room");
    let (client, bare) = tokio::spawn(async move { reads::open_room(&data, 0).await }).await??;
    figures.put("open_in_task.cached_room_ms", client, "ms", Goal::AtMost(100.0));
    figures.put("open_in_task.bare_ms", bare, "ms", Goal::None);
    figures.put("open_in_task.to_bare", client / bare, "", Goal::AtMost(3.0));
    Ok(())
}

async fn reading(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    eprintln!("a person reads, SEED={}", plan.seed);
    let report = reads::workload(&folder.path().join("reader"), 50, plan.seed, plan.steps).await?;
    let reads = report.memory.asked.max(1) as f64;
    let local = (report.memory.hits + report.disk.hits) as f64 / reads;
    figures.put("reading.share_local", local, "", Goal::AtLeast(0.9));
    figures.put("reading.share_memory", report.memory.hits as f64 / reads, "", Goal::None);
    figures.put("reading.reads", reads, "reads", Goal::None);
    for (name, tier) in
        [("memory", report.memory), ("disk", report.disk), ("server", report.server)]
    {
        let most = Goal::AtMost(tier.expected_ms as f64);
        figures.put(format!("reading.{name}_p50_ms"), tier.p50_ms as f64, "ms", most);
        figures.put(format!("reading.{name}_p99_ms"), tier.p99_ms as f64, "ms", Goal::None);
    }

    Ok(())
}

async fn memory(figures: &mut Figures) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let of = |name: &str| folder.path().join(name);
    eprintln!("memory");
    database::make(database::NOWHERE, &of("open"), &[(500, 1); 31]).await?;
    let (grown, reckoned, messages) = memory::measure(&of("open"), 30, None)?;
    const MB: f64 = 1_000_000.0;
    figures.put("memory.open_rooms_mb", grown / MB, "MB", Goal::AtMost(30.0));
    figures.put("memory.reckoned_mb", reckoned / MB, "MB", Goal::None);
    figures.put("memory.messages", messages, "messages", Goal::None);
    database::make_of(database::NOWHERE, &of("long"), &[(500, 1); 31], wire::longest_message)
        .await?;
    let (grown, reckoned, messages) = memory::measure(&of("long"), 30, None)?;
    let (one_arena, _, _) = memory::measure(&of("long"), 30, Some(1))?;
    // What the client promises by default: 24 MiB.
    let bound = tidewire::Config::new(tidewire::UserId::new("ada")?).memory_bytes as f64 / MB;
    figures.put("memory.long_messages_mb", grown / MB, "MB", Goal::AtMost(30.0));
    figures.put("memory.long_messages_one_arena_mb", one_arena / MB, "MB", Goal::AtMost(30.0));
    figures.put("memory.long_messages_reckoned_mb", reckoned / MB, "MB", Goal::AtMost(bound));
    figures.put("memory.long_messages", messages, "messages", Goal::None);
    Ok(())
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

//! The benchmarks: a table for people, and as the last line one JSON object for programs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidewire_bench::{crash, ffi, figures::Figures, modes, send, server, store};

/// The benchmarks. Each prints a table and, as its last line, one JSON object
/// `{"figure": {"value": …, "unit": …, "goal": …, "holds": true|false}, …}`. They end with success
/// when they ran, whatever the figures.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// What each mode costs, counted in the simulation, and how fast it is over real sockets.
    Modes {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Users of the simulated crowds.
        #[arg(long, default_value_t = 5_000)]
        users: usize,
        /// Virtual minutes that are counted. 3 are six of the longest period that anything has in the foreground.
        #[arg(long, default_value_t = 3)]
        minutes: u64,
        /// Clients over real sockets; 0 leaves that part out.
        #[arg(long, default_value_t = 600)]
        live_users: usize,
        /// Seconds that are measured in each mode.
        #[arg(long, default_value_t = 30)]
        live_seconds: u64,
    },
    /// What the client's store costs, beside bare SQLite with the same tables.
    Store {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Some seconds, for tests: the figures say nothing of the goals.
        #[arg(long)]
        quick: bool,
        /// Of the reading workload.
        #[arg(long, default_value_t = 20_240_229)]
        seed: u64,
        /// Nothing but this: ingest, start, room, reading, memory or calls.
        #[arg(long)]
        only: Option<store::Part>,
    },
    /// From `send` to the screen, beside a bare commit of the same row, and how a queue leaves.
    Send {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Some seconds, for tests: the figures say nothing of the goals.
        #[arg(long)]
        quick: bool,
        /// Nothing but this: echo, queue or upload.
        #[arg(long)]
        only: Option<send::Part>,
    },
    /// Whether anything is lost, repeated, out of order or stuck, wherever a client is killed and
    /// whatever becomes of the answers.
    Crash {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Lives, each from a seed of its own.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// Of the steps of each operation, every one with every kind of death (1), or fewer.
        #[arg(long, default_value_t = 1)]
        thin: u64,
    },
    /// What programs in other languages have measured: `cargo xtask bench ffi` runs them first.
    Ffi {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Lines of `name value`.
        #[arg(long)]
        measured: std::path::PathBuf,
    },
    /// What one server carries, beside a bare axum.
    Server {
        /// Nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// Some seconds long: it runs, and says nothing of the goals.
        #[arg(long)]
        quick: bool,
        /// Sockets that stay open.
        #[arg(long)]
        connections: Option<usize>,
        /// Nothing but this: appends, real-time, fan-out, or idle, which the storm comes after.
        #[arg(long)]
        only: Option<server::Part>,
    },
    /// The server of `server`, in a process of its own.
    #[command(hide = true)]
    ServerChild {
        #[arg(long)]
        data: std::path::PathBuf,
        #[arg(long)]
        listen: std::net::SocketAddr,
        #[arg(long)]
        admission: u32,
    },
    /// What `server` is held against, in a process of its own.
    #[command(hide = true)]
    ServerBare {
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
    /// The part of `store` that runs in a process of its own.
    #[command(hide = true)]
    StoreMemory {
        #[arg(long)]
        data: std::path::PathBuf,
        #[arg(long)]
        rooms: u64,
    },
}

/// Wrong usage, or nothing could be started.
const UNUSABLE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    match Args::parse().bench {
        Bench::Modes { json, users, minutes, live_users, live_seconds } => {
            bench_modes(json, modes::Plan { users, minutes, live_users, live_seconds }).await
        }
        Bench::Store { json, quick, seed, only } => {
            let plan = if quick { store::Plan::quick(seed) } else { store::Plan::full(seed) };
            let plan = store::Plan { only, ..plan };
            tell(json, &store::setting(plan), store::run(plan).await)
        }
        Bench::Send { json, quick, only } => {
            let plan = if quick { send::Plan::quick() } else { send::Plan::full() };
            let plan = send::Plan { only, ..plan };
            tell(json, &send::setting(plan), send::run(plan).await)
        }
        Bench::Crash { json, seeds, thin } => {
            let plan = crash::Plan { seeds, thin: thin.max(1) };
            tell(json, &crash::setting(plan), crash::run(plan))
        }
        Bench::Ffi { json, measured } => {
            let read = std::fs::read_to_string(&measured);
            let read = read.map_err(|error| format!("{}: {error}", measured.display()));
            tell(json, &ffi::setting(), read.and_then(|lines| ffi::read(&lines)))
        }
        Bench::Server { json, quick, connections, only } => {
            let mut plan = if quick { server::Plan::quick() } else { server::Plan::full() };
            plan.connections = connections.unwrap_or(plan.connections);
            plan.only = only;
            tell(json, &server::setting(plan), server::run(plan).await)
        }
        Bench::ServerChild { data, listen, admission } => {
            child(server::serve(&data, listen, admission).await)
        }
        Bench::ServerBare { listen } => child(server::serve_bare(listen).await),
        Bench::StoreMemory { data, rooms } => match store::child(&data, rooms).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => unusable(&error.to_string()),
        },
    }
}

async fn bench_modes(json: bool, plan: modes::Plan) -> ExitCode {
    if plan.users < 10 || plan.minutes == 0 {
        return unusable("a crowd has at least --users 10 and --minutes 1");
    }
    tell(json, &modes::setting(plan), modes::run(plan).await)
}

fn tell<E: std::fmt::Display>(json: bool, setting: &str, figures: Result<Figures, E>) -> ExitCode {
    match figures {
        Ok(figures) => {
            if !json {
                println!("{setting}\n\n{}\n", figures.table());
            }
            println!("{}", figures.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => unusable(&format!("the benchmark could not run: {error}")),
    }
}

fn child<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unusable(&error.to_string()),
    }
}

fn unusable(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(UNUSABLE)
}

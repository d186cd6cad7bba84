//! The benchmarks: a table for people, and as the last line one JSON object for programs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidewire_bench::modes;

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
        /// Virtual minutes that are counted.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Clients over real sockets; 0 leaves that part out.
        #[arg(long, default_value_t = 600)]
        live_users: usize,
        /// Seconds that are measured in each mode.
        #[arg(long, default_value_t = 30)]
        live_seconds: u64,
    },
}

/// Wrong usage, or nothing could be started.
const UNUSABLE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let Bench::Modes { json, users, minutes, live_users, live_seconds } = Args::parse().bench;
    if users < 10 || minutes == 0 {
        eprintln!("a crowd has at least --users 10 and --minutes 1");
        return ExitCode::from(UNUSABLE);
    }
    let plan = modes::Plan { users, minutes, live_users, live_seconds };
    match modes::run(plan).await {
        Ok(figures) => {
            if !json {
                println!("{}\n\n{}\n", modes::setting(plan), figures.table());
            }
            println!("{}", figures.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the benchmark could not run: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

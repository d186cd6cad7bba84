//! The main job, to be seen: a real server, real clients, a crowd that grows, and faults.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tidewire_bench::demo::{self, Plan};

/// A crowd chats through a real server while its number climbs, the network is cut, some go to
/// the background, and the server restarts.
#[derive(Parser)]
struct Args {
    /// Run without a screen and end by itself.
    #[arg(long)]
    headless: bool,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
    /// Simulated users, each a client of its own. 600 pass through all three modes.
    #[arg(long, default_value_t = 600)]
    users: usize,
    /// How long they chat, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    if args.users < 2 || args.seconds < 5 {
        eprintln!("a conversation takes at least --users 2 and --seconds 5");
        return ExitCode::from(2);
    }
    if !args.headless {
        eprintln!("the screen does not exist yet: running as with --headless");
    }
    let plan = Plan { users: args.users, duration: Duration::from_secs(args.seconds) };
    match demo::run(plan).await {
        Ok(report) => {
            println!("{report}");
            if args.json {
                println!("{}", report.to_json());
            }
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("the demo could not run: {error}");
            ExitCode::from(2)
        }
    }
}

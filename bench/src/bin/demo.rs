//! The main job, to be seen: a real server, real clients, a crowd that grows, and faults. On a
//! terminal a person takes part; headless it runs by itself and counts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tidewire_bench::demo::{self, Error, Plan, screen};

/// On a terminal: chat among simulated users, and see what happens when they become many, the
/// network goes or the server stops. With --headless: a crowd chats through a real server while its
/// number climbs, the network is cut, some go to the background, and the server restarts.
#[derive(Parser)]
struct Args {
    /// Run without a screen and end by itself.
    #[arg(long)]
    headless: bool,
    /// Print one JSON object as the last line.
    #[arg(long, requires = "headless")]
    json: bool,
    /// Simulated users, each a client of its own: all of them when headless (600 unless told, which
    /// pass through all three modes), those at the start on a terminal (12 unless told).
    #[arg(long)]
    users: Option<usize>,
    /// How long they chat, in seconds.
    #[arg(long, default_value_t = 60, requires = "headless")]
    seconds: u64,
    /// Run by itself through all modes, and write a picture of the screen as SVG, with its recording
    /// beside it.
    #[arg(long, value_name = "FILE", conflicts_with = "headless")]
    picture: Option<PathBuf>,
    /// Make the picture from the recording that is there.
    #[arg(long, requires = "picture")]
    redraw: bool,
}

/// Wrong usage, or nothing could be started.
const UNUSABLE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(picture) = &args.picture {
        log();
        return told(paint(picture, args.redraw).await);
    }
    if !args.headless {
        // What is logged would be written over the screen.
        let users = args.users.unwrap_or(screen::FIRST_USERS);
        if users > screen::MOST_USERS {
            eprintln!("the screen takes --users {} at most", screen::MOST_USERS);
            return ExitCode::from(UNUSABLE);
        }
        return told(screen::run(users).await);
    }
    log();
    let users = args.users.unwrap_or(600);
    if users < 2 || args.seconds < 5 {
        eprintln!("a conversation takes at least --users 2 and --seconds 5");
        return ExitCode::from(UNUSABLE);
    }
    let plan = Plan { users, duration: Duration::from_secs(args.seconds) };
    match demo::run(plan).await {
        Ok(report) => {
            println!("{report}");
            if args.json {
                println!("{}", report.to_json());
            }
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => told(Err(error)),
    }
}

fn log() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
}

async fn paint(picture: &Path, redraw: bool) -> Result<(), Error> {
    if redraw { screen::redraw(picture) } else { screen::paint(picture).await }
}

fn told(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo could not run: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

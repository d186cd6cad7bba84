//! `tidewire-load`: users by the thousand against a server. See `docs/load.md`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidewire_bench::load::{self, Clients, Elsewhere, Error, Options, SHIPPED, Scenario};
use tidewire_bench::server;

/// Users by the thousand, who live through a scenario against a server: one that is started for it, or with --url
/// one that runs. Prints a table and, as the last line, one JSON object. Ends with 0 if all that was sent is in the log
/// once and everybody heard all of it once, with 1 if not, with 2 if it could not run.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(flatten)]
    run: Run,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

#[derive(clap::Args)]
struct Run {
    /// A scenario by its name (see --list), or a file.
    #[arg(default_value = "steady")]
    scenario: String,
    /// The scenarios that are shipped.
    #[arg(long)]
    list: bool,
    /// How many users, instead of what the scenario says.
    #[arg(long)]
    users: Option<usize>,
    /// How long they talk, in seconds, instead of what the scenario says.
    #[arg(long)]
    duration: Option<u64>,
    /// Messages a second in each room, instead of what the scenario says.
    #[arg(long)]
    rate: Option<f64>,
    /// All users of one kind, instead of what the scenario says: light, memory or disk.
    #[arg(long, value_parser = clients)]
    clients: Option<Clients>,
    /// A server that runs already.
    #[arg(long, requires = "secret_file")]
    url: Option<String>,
    /// Its secret, by which tokens are made: `secret.key` of its data folder.
    #[arg(long, requires = "url", env = "TIDEWIRE_SECRET_FILE")]
    secret_file: Option<PathBuf>,
    /// Its process on this machine, whose memory and cores are to be told.
    #[arg(long, requires = "url")]
    server_pid: Option<u32>,
    /// Clients that the server which is started lets in a second; 0 lets in all.
    #[arg(long, default_value_t = 1_000, conflicts_with = "url")]
    admission: u32,
    /// What is left to chance is the same for the same seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder for `report.txt`, `report.json`, `seconds.csv` and `plot.svg`.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Nothing but the JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Hidden {
    /// The server that is started, in a process of its own.
    #[command(hide = true)]
    ServerChild {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        admission: u32,
    },
}

/// Something was lost, repeated or is unknown.
const BROKEN: u8 = 1;
/// Wrong usage, or nothing could be started.
const UNUSABLE: u8 = 2;

fn clients(text: &str) -> Result<Clients, String> {
    let none = Clients::default();
    match text {
        "light" => Ok(Clients { light: 1.0, ..none }),
        "memory" => Ok(Clients { memory: 1.0, ..none }),
        "disk" => Ok(Clients { disk: 1.0, ..none }),
        other => Err(format!("`{other}` is no kind of client: light, memory or disk")),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { run, hidden } = Args::parse();
    if let Some(Hidden::ServerChild { data, listen, admission }) = hidden {
        return match server::serve(&data, listen, admission).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => unusable(&error.to_string()),
        };
    }
    if run.list {
        for (name, text) in SHIPPED {
            match Scenario::parse(text) {
                Ok(scenario) => println!("{name:<16} {}", scenario.about),
                Err(error) => return unusable(&error.to_string()),
            }
        }
        return ExitCode::SUCCESS;
    }
    match lives(run).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => unusable(&error.to_string()),
    }
}

async fn lives(run: Run) -> Result<bool, Error> {
    let mut scenario = Scenario::load(&run.scenario)?;
    scenario.users = run.users.unwrap_or(scenario.users);
    scenario.seconds = run.duration.unwrap_or(scenario.seconds);
    let traffic = &mut scenario.traffic;
    traffic.per_room_per_second = run.rate.unwrap_or(traffic.per_room_per_second);
    scenario.clients = run.clients.unwrap_or(scenario.clients);
    let elsewhere = match (run.url, run.secret_file) {
        (Some(url), Some(secret_file)) => Some(Elsewhere { url, secret_file, pid: run.server_pid }),
        _ => None,
    };
    let options =
        Options { elsewhere, admission: run.admission, seed: run.seed, progress: !run.json };
    let report = load::run(&scenario, &options).await?;
    if let Some(folder) = &run.out {
        report.write(folder)?;
    }
    if !run.json {
        println!("{}", report.table());
    }
    println!("{}", report.figures().to_json());
    Ok(report.holds())
}

fn unusable(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(UNUSABLE)
}

//! Goes through a recording of a client again: gives an engine what the client's was given, prints
//! what it decides, and says whether that is what was recorded.
//!
//! ```sh
//! cargo run -p tidewire --example replay -- recording.jsonl
//! ```
//!
//! Exits 0 if all decisions are the same, 1 if one differs, 2 if the file can not be replayed.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tidewire::trace::{Replayed, replay};

#[derive(Parser)]
struct Args {
    /// The recording.
    file: PathBuf,
    /// Only the last line: what it came to.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let file = match File::open(&args.file) {
        Ok(file) => file,
        Err(error) => return unusable(&args, &error.to_string()),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let told = replay(BufReader::new(file), |line| {
        if !args.quiet {
            // Whoever reads no more does not want to hear of it.
            let _ = writeln!(out, "{line}");
        }
    });
    let _ = out.flush();
    drop(out);
    match told {
        Ok(replayed) => verdict(&replayed),
        Err(error) => unusable(&args, &error.to_string()),
    }
}

fn verdict(replayed: &Replayed) -> ExitCode {
    let Replayed { inputs, decisions, .. } = replayed;
    let end = match replayed.end.as_deref() {
        Some("closed") => "the client was closed".to_owned(),
        Some(other) => format!("the recording ended early: {other}"),
        None => "the recording has no end: the client was killed, or still runs".to_owned(),
    };
    match &replayed.difference {
        None => {
            println!("same decisions as recorded: {inputs} inputs, {decisions} decisions; {end}");
            ExitCode::SUCCESS
        }
        Some(difference) => {
            let what = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
            println!("line {} differs", difference.line);
            println!("  recorded: {}", what(&difference.recorded));
            println!("  now:      {}", what(&difference.now));
            ExitCode::FAILURE
        }
    }
}

fn unusable(args: &Args, problem: &str) -> ExitCode {
    eprintln!("{}: {problem}", args.file.display());
    ExitCode::from(2)
}

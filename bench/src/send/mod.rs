//! `bench send`: from `send` to the screen, beside a bare commit of the same row in the same run; and how a
//! thousand queued messages leave.

mod drain;
mod echo;
mod upload;

use std::path::Path;

use tidewire_server::{Config, Server};

use crate::figures::{Figures, Goal};

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From `send` to the screen.
    Echo,
    /// How a queue leaves.
    Queue,
    /// A file over a network that is cut.
    Upload,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "echo" => Part::Echo,
            "queue" => Part::Queue,
            "upload" => Part::Upload,
            other => return Err(format!("{other} is none of echo, queue and upload")),
        })
    }
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Nothing but this.
    pub only: Option<Part>,
    /// Sends of each repeat, and as many bare commits.
    pub sends: usize,
    /// Repeats, alternating with the bare ones.
    pub repeats: usize,
    /// Messages that are queued without a network.
    pub queued: usize,
    /// Bytes of the file that is uploaded, and how often its network is cut.
    pub upload: (u64, u64),
}

impl Plan {
    /// What the goals speak of.
    pub fn full() -> Self {
        Self { only: None, sends: 500, repeats: 7, queued: 1_000, upload: (20 * upload::PART, 5) }
    }

    /// Some seconds long: it runs, and says nothing of the goals.
    pub fn quick() -> Self {
        Self { only: None, sends: 20, repeats: 3, queued: 120, upload: (3 * upload::PART, 1) }
    }
}

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    let Plan { only: _, sends, repeats, queued, upload: (bytes, cuts) } = plan;
    format!(
        "A client through its public face, with its store on disk and a room open. Echo: from the call of `send` to the \
         first update of the timeline, {sends} times in each of {repeats} repeats, without a network, so that nothing else \
         uses the disk, on the program's main thread and again in a task, from where the bindings call; bare: one INSERT of the same row into the SDK's own table, in a transaction, WAL and \
         `synchronous = FULL`, alternating with it. Medians of the repeats. Queue: {queued} messages sent into one open room \
         without a network, then the network is back; the server is in this process, and lets everybody send as much as \
         they like. Upload: a file of {bytes} bytes over a proxy that counts what reaches the server, and cuts all \
         connections {cuts} times on the way; parts of 1 MiB."
    )
}

/// Runs the plan and tells what it does as it goes, to the standard error.
///
/// # Errors
/// When something can not be started, or gives a wrong result.
pub async fn run(plan: Plan) -> Result<Figures, Error> {
    let mut figures = Figures::default();
    let folder = tempfile::tempdir()?;
    let mut config = Config::new(folder.path().join("server"));
    config.rate_limit = None;
    let server = Server::start(config).await?;
    let wants = |part| plan.only.is_none_or(|only| only == part);
    if wants(Part::Echo) {
        echo_figures(&server, folder.path(), plan, &mut figures).await?;
    }
    if wants(Part::Queue) {
        queue_figures(&server, folder.path(), plan, &mut figures).await?;
    }
    if wants(Part::Upload) {
        upload_figures(&server, folder.path(), plan, &mut figures).await?;
    }
    server.stop().await;
    Ok(figures)
}

async fn echo_figures(
    server: &Server,
    folder: &Path,
    plan: Plan,
    figures: &mut Figures,
) -> Result<(), Error> {
    eprintln!("echoes");
    let (here, task) = echo::measure(server, folder, plan).await?;
    let us = |ns: f64| ns / 1_000.0;
    for (whence, echo) in [("echo", here), ("echo_in_task", task)] {
        for (name, client, bare) in
            [("p50", echo.client.0, echo.bare.0), ("p99", echo.client.1, echo.bare.1)]
        {
            figures.put(format!("{whence}.{name}_us"), us(client), "µs", Goal::None);
            figures.put(format!("{whence}.bare_{name}_us"), us(bare), "µs", Goal::None);
            figures.put(format!("{whence}.{name}_to_bare"), client / bare, "", Goal::AtMost(1.5));
        }
        figures.put(format!("{whence}.online_p50_us"), us(echo.online.0), "µs", Goal::None);
        figures.put(format!("{whence}.online_p99_us"), us(echo.online.1), "µs", Goal::None);
    }
    Ok(())
}

async fn queue_figures(
    server: &Server,
    folder: &Path,
    plan: Plan,
    figures: &mut Figures,
) -> Result<(), Error> {
    for mode in [tidewire::Mode::RealTime, tidewire::Mode::Polling] {
        eprintln!("a queue that leaves in {}", mode.as_str());
        let mut drains = Vec::new();
        for repeat in 0..plan.repeats.min(3) {
            let data = folder.join(format!("drain-{}-{repeat}", mode.as_str()));
            drains.push(drain::measure(server, &data, mode, plan.queued).await?);
        }
        let of = |value: fn(&drain::Drain) -> f64| median(drains.iter().map(value).collect());
        let name = |figure: &str| format!("queue.{}.{figure}", mode.as_str());
        let most = 30.0 * (plan.queued as f64 / 1_000.0).max(1.0);
        figures.put(name("requests"), of(|drain| drain.requests), "", Goal::AtMost(most));
        figures.put(name("leave_per_second"), of(|drain| drain.rate), "1/s", Goal::None);
        figures.put(name("queue_per_second"), of(|drain| drain.queueing), "1/s", Goal::None);
    }
    Ok(())
}

async fn upload_figures(
    server: &Server,
    folder: &Path,
    plan: Plan,
    figures: &mut Figures,
) -> Result<(), Error> {
    eprintln!("a file over a network that is cut");
    let (size, cuts) = plan.upload;
    let upload = upload::measure(server, folder, plan.upload).await?;
    let (file, part) = (size as f64, upload::PART as f64);
    let most = file + cuts as f64 * part;
    figures.put("upload.file_bytes", file, "B", Goal::None);
    figures.put("upload.cuts", cuts as f64, "", Goal::None);
    figures.put("upload.bytes_sent", upload.bytes, "B", Goal::AtMost(most));
    figures.put(
        "upload.parts_repeated",
        (upload.bytes - file) / part,
        "",
        Goal::AtMost(cuts as f64),
    );
    figures.put("upload.seconds", upload.seconds, "s", Goal::None);
    Ok(())
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

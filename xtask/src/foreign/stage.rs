//! A stage as a child process: a real server and networks that fail when told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::workspace::{cargo, program};

/// How long a stage may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running stage. It ends when this is dropped, and also if this process is killed: by then its
/// stdin is closed.
#[derive(Debug)]
pub(super) struct Stage {
    child: Child,
    /// The address of its interface.
    pub(super) control: String,
}

impl Stage {
    /// Builds one with all that it needs, and starts it.
    pub(super) fn start() -> Result<Self, String> {
        // The example because the stage builds it along with the server, in silence.
        let built = cargo(&["build", "--workspace", "--bin", "stage", "--bin", "tidewire-server"])
            .args(["--example", "agent"])
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("server and stage do not build".into());
        }
        let child = program("stage").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let child = child.map_err(|error| format!("the stage could not be started: {error}"))?;
        let mut stage = Self { child, control: String::new() };
        let mut line = String::new();
        if let Some(stdout) = stage.child.stdout.take() {
            // An empty line says as much as an error.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let control = text_of("control", &line);
        stage.control = control.ok_or("the stage did not start, see above")?.to_owned();
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // One that hangs: its server stays, which is bad, but not worse than a suite that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a key in a flat JSON object whose texts have no escapes.
fn text_of<'a>(key: &str, json: &'a str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{key}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_spaces() {
        let line = r#"{"control":"http://127.0.0.1:1","server":"http://127.0.0.1:2"}"#;
        assert_eq!(text_of("control", line), Some("http://127.0.0.1:1"));
        assert_eq!(text_of("server", line), Some("http://127.0.0.1:2"));
        let line = r#"{ "control" : "http://127.0.0.1:1" }"#;
        assert_eq!(text_of("control", line), Some("http://127.0.0.1:1"));
        assert_eq!(text_of("control", ""), None);
    }
}

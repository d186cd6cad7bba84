//! A server of NGINX.

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;

use crate::process::{Tethered, find, free_port, missing, wait_for};

/// What NGINX keeps aside: by default in folders of the system's.
const ASIDE: &str = "http {
    client_body_temp_path aside/body;
    proxy_temp_path aside/proxy;
    fastcgi_temp_path aside/fastcgi;
    uwsgi_temp_path aside/uwsgi;
    scgi_temp_path aside/scgi;
";

/// A server of NGINX. Ends with its handle.
#[derive(Debug)]
pub struct Nginx {
    addr: SocketAddr,
    _running: Tethered,
    // Dropped after the process.
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// One with this configuration, which is made for the address that it is to listen on. None where NGINX is not
    /// installed.
    ///
    /// # Panics
    /// Where it does not start, and where it is missing with `CI=true`.
    pub fn start(configuration: impl FnOnce(SocketAddr) -> String) -> Option<Self> {
        let Some(program) = find(&["nginx"]) else {
            missing("NGINX");
            return None;
        };
        match Self::try_start(program, configuration) {
            Ok(server) => Some(server),
            Err(error) => panic!("NGINX: {error}"),
        }
    }

    fn try_start(
        program: PathBuf,
        configuration: impl FnOnce(SocketAddr) -> String,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidewire-nginx-").tempdir()?;
        std::fs::create_dir(folder.path().join("aside"))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let configuration = configuration(addr).replacen("http {\n", ASIDE, 1);
        std::fs::write(folder.path().join("nginx.conf"), configuration)?;
        let prefix = format!("{}/", folder.path().display());
        // Root's workers would become a user who may not look into the folder; others take no notice of it.
        let own = format!("daemon off; user root; pid {prefix}nginx.pid; error_log stderr;");
        let words = ["-e", "stderr", "-p", &prefix, "-c", "nginx.conf", "-g", &own];
        let mut command = vec![program.display().to_string()];
        command.extend(words.map(str::to_owned));
        let mut running = Tethered::start(folder.path(), &[], &command)?;
        wait_for(&mut running, folder.path(), || TcpStream::connect(addr).is_ok())?;
        Ok(Self { addr, _running: running, _folder: folder })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

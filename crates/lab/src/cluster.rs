//! Several receivers on one machine: separate processes with one PostgreSQL,
//! with or without nginx.
//!
//! The receivers' sockets are held here and passed to each new process, as
//! systemd's socket activation does, so that a restart refuses no connection. A
//! process that ends by itself is started again at once. If that fails, its
//! socket is closed until a process starts, so that nginx uses the others.
//! Everything ends when the handle is dropped.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tillgate_kernel::Stopwatch;

/// How long a receiver may take to become ready.
const START_SECONDS_MAX: u64 = 30;

/// The pause before the next attempt to start a receiver.
const START_GAP: Duration = Duration::from_secs(1);

/// Where to look for nginx in addition to `PATH`, which often lacks these
/// folders for users other than root.
const NGINX_PLACES: [&str; 3] =
    ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"];

/// Receivers and optionally nginx in front of them.
#[derive(Debug)]
pub struct Cluster {
    receivers: Vec<Held>,
    /// Processes that were asked to end.
    draining: Vec<Child>,
    nginx: Option<Nginx>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.draining {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The configuration of a cluster.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program: `tillgate` itself.
    pub binary: PathBuf,
    /// A folder for configurations and logs.
    pub folder: PathBuf,
    /// What each receiver's configuration contains in addition to `listen`.
    pub settings: String,
    /// The number of receivers.
    pub receivers: usize,
    /// Whether nginx runs in front of them.
    pub with_nginx: bool,
}

impl Cluster {
    /// Starts everything, and returns when it is ready.
    pub fn start(plan: &Plan) -> io::Result<Cluster> {
        let receivers = (0..plan.receivers).map(|place| Receiver::start(plan, place).map(Held));
        let receivers = receivers.collect::<io::Result<Vec<_>>>()?;
        let addresses: Vec<SocketAddr> =
            receivers.iter().map(|receiver| receiver.0.address).collect();
        let nginx = plan.with_nginx.then(|| Nginx::start(&plan.folder, &addresses)).transpose()?;
        Ok(Cluster { receivers, draining: Vec::new(), nginx })
    }

    /// The address for hooks: nginx, or else the first receiver.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match &self.nginx {
            Some(nginx) => nginx.address,
            None => self.receivers[0].0.address,
        }
    }

    /// The receivers' own addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.receivers.iter().map(|receiver| receiver.0.address).collect()
    }

    /// The log of a receiver.
    pub fn log(&self, place: usize) -> io::Result<String> {
        fs::read_to_string(&self.receivers[place].0.log)
    }

    /// The process id of a receiver.
    #[must_use]
    pub fn process_id(&self, place: usize) -> u32 {
        self.receivers[place].0.state().process.id()
    }

    /// Kills a receiver without warning, and starts another process in its
    /// place.
    pub fn kill_and_start(&self, place: usize) -> io::Result<()> {
        let receiver = &self.receivers[place].0;
        let mut state = receiver.state();
        state.process.kill()?;
        state.process.wait()?;
        receiver.start_another(&mut state)?;
        Ok(())
    }

    /// Waits until a receiver has a process other than `of`.
    pub fn wait_for_successor(&self, place: usize, of: u32) -> io::Result<()> {
        let receiver = &self.receivers[place].0;
        let wait = Duration::from_secs(START_SECONDS_MAX);
        let waiting = receiver
            .changed
            .wait_timeout_while(receiver.state(), wait, |state| state.process.id() == of);
        let (state, timeout) = waiting.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if timeout.timed_out() {
            Err(io::Error::other("no new process was started in time"))
        } else {
            Ok(())
        }
    }

    /// Asks a receiver to end, and starts another on its socket while the first
    /// one drains.
    pub fn restart(&mut self, place: usize) -> io::Result<()> {
        let receiver = &self.receivers[place].0;
        let mut state = receiver.state();
        signal(state.process.id(), "TERM")?;
        self.draining.push(receiver.start_another(&mut state)?);
        Ok(())
    }

    /// Asks all receivers to end, and waits until they have.
    pub fn end(&mut self) -> io::Result<()> {
        for receiver in &self.receivers {
            let mut state = receiver.0.state();
            state.is_over = true;
            signal(state.process.id(), "TERM")?;
        }
        for receiver in &self.receivers {
            receiver.0.state().process.wait()?;
        }
        Ok(())
    }

    /// Waits for the processes that were asked to end, and returns their exit
    /// statuses.
    pub fn drained(&mut self) -> io::Result<Vec<ExitStatus>> {
        self.draining.drain(..).map(|mut process| process.wait()).collect()
    }

    /// Stops a receiver's process (`STOP`), or continues it (`CONT`).
    pub fn signal(&self, place: usize, name: &str) -> io::Result<()> {
        let process = self.process_id(place);
        signal(process, name)?;
        if name == "STOP" { stands_still(process) } else { Ok(()) }
    }

    /// The error log of nginx.
    pub fn nginx_error_log(&self) -> io::Result<String> {
        self.nginx
            .as_ref()
            .map_or_else(|| Ok(String::new()), |nginx| fs::read_to_string(&nginx.error_log))
    }

    /// The access log of nginx.
    pub fn nginx_log(&self) -> io::Result<String> {
        self.nginx
            .as_ref()
            .map_or_else(|| Ok(String::new()), |nginx| fs::read_to_string(&nginx.access_log))
    }
}

/// Sends a signal to one process.
fn signal(process: u32, name: &str) -> io::Result<()> {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -{name} {process} failed")))
    }
}

/// Returns when every thread of a stopped process has stopped. The signal
/// arrives before all of them do.
fn stands_still(process: u32) -> io::Result<()> {
    let since = Stopwatch::start();
    while since.elapsed() < STOP_MAX {
        let mut threads = fs::read_dir(format!("/proc/{process}/task"))?;
        let is_stopped = threads.all(|thread| {
            let stat = thread.and_then(|thread| fs::read_to_string(thread.path().join("stat")));
            // The process name in parentheses, which may contain anything, and
            // then the state.
            stat.is_ok_and(|stat| {
                stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
            })
        });
        if is_stopped {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(io::Error::other(format!("process {process} is still running after SIGSTOP")))
}

/// How long a process may take to stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A receiver that ends when this handle is dropped.
#[derive(Debug)]
struct Held(Arc<Receiver>);

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        let _ = state.process.kill();
        let _ = state.process.wait();
    }
}

/// A receiver, with its current process.
#[derive(Debug)]
struct Receiver {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    state: Mutex<State>,
    /// Notified when a new process has been started.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    process: Child,
    /// Kept open between processes; closed while none can be started.
    socket: Option<TcpListener>,
    /// Whether no further process must be started.
    is_over: bool,
}

/// Disconnected when a process closes its output, which happens when it ends.
type End = std::sync::mpsc::Receiver<()>;

impl Receiver {
    fn start(plan: &Plan, place: usize) -> io::Result<Arc<Receiver>> {
        let socket = TcpListener::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let config = plan.folder.join(format!("receiver-{place}.toml"));
        fs::write(&config, format!("listen = \"{address}\"\n{}", plan.settings))?;
        let log = plan.folder.join(format!("receiver-{place}.log"));
        let (process, end) = run(&plan.binary, &config, &log, &socket)?;
        let id = process.id();
        let state = Mutex::new(State { process, socket: Some(socket), is_over: false });
        let binary = plan.binary.clone();
        let receiver =
            Arc::new(Receiver { binary, config, log, address, state, changed: Condvar::new() });
        receiver.watch(id, end);
        Ok(receiver)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts another process, and returns the previous one.
    fn start_another(self: &Arc<Receiver>, state: &mut State) -> io::Result<Child> {
        let socket = match state.socket.take() {
            Some(socket) => socket,
            None => TcpListener::bind(self.address)?,
        };
        // If the process cannot be started, the socket is closed here.
        let (process, end) = run(&self.binary, &self.config, &self.log, &socket)?;
        state.socket = Some(socket);
        let id = process.id();
        let before = std::mem::replace(&mut state.process, process);
        self.changed.notify_all();
        self.watch(id, end);
        Ok(before)
    }

    /// Starts another process when this one ends by itself.
    fn watch(self: &Arc<Receiver>, id: u32, end: End) {
        let receiver = Arc::clone(self);
        std::thread::spawn(move || {
            let _ = end.recv(); // nothing is sent; it returns when the channel closes
            loop {
                let mut state = receiver.state();
                if state.is_over || state.process.id() != id {
                    return;
                }
                let ended = state
                    .process
                    .wait()
                    .map_or_else(|why| why.to_string(), |status| status.to_string());
                match receiver.start_another(&mut state) {
                    Ok(_) => {
                        tracing::warn!(
                            address = %receiver.address,
                            %ended,
                            "a receiver ended and was restarted"
                        );
                        return;
                    }
                    Err(why) => {
                        tracing::warn!(
                            address = %receiver.address,
                            %ended,
                            error = %why,
                            "a receiver ended and cannot be restarted; will try again, \
                             nginx uses the others"
                        );
                    }
                }
                drop(state);
                std::thread::sleep(START_GAP);
            }
        });
    }
}

/// Starts a receiver on an open socket, and waits until it is ready. A shell
/// moves the socket to the file descriptor where systemd would put it.
fn run(binary: &Path, config: &Path, log: &Path, socket: &TcpListener) -> io::Result<(Child, End)> {
    let script =
        r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --config "$1""#;
    let socket = OwnedFd::from(socket.try_clone()?);
    let mut command = Command::new("sh");
    // The receivers must not inherit the settings of this process.
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("TILLGATE_")) {
        if name != "TILLGATE_LOG" {
            command.env_remove(name);
        }
    }
    let mut process = command
        .arg("-c")
        .arg(script)
        .arg(binary)
        .arg(config)
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(log)?)
        .spawn()?;
    let output =
        process.stdout.take().ok_or_else(|| io::Error::other("the process has no stdout"))?;
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (open, end) = std::sync::mpsc::channel();
    // Its further output is read and discarded, so that it never blocks or
    // fails on a write.
    std::thread::spawn(move || {
        let _open = open;
        for line in BufReader::new(output).lines() {
            match line {
                Ok(line) if line == "ready" => drop(ready.send(())),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    if is_ready.recv_timeout(Duration::from_secs(START_SECONDS_MAX)).is_err() {
        let _ = process.kill();
        let _ = process.wait();
        let said = fs::read_to_string(log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("its log is empty").to_owned();
        return Err(io::Error::other(format!("a receiver did not start: {last}")));
    }
    Ok((process, end))
}

/// nginx with this project's own configuration.
#[derive(Debug)]
struct Nginx {
    address: SocketAddr,
    access_log: PathBuf,
    error_log: PathBuf,
    process: Child,
}

impl Nginx {
    fn start(folder: &Path, receivers: &[SocketAddr]) -> io::Result<Nginx> {
        let binary = nginx_binary()?;
        let folder = folder.join("nginx");
        fs::create_dir_all(folder.join("temp"))?;
        let file = |name: &str| folder.join(name);
        let access_log = file("access.log");
        let config = include_str!("../../../nginx/tillgate.conf");
        let config =
            config.replace("/var/log/nginx/tillgate.log", &access_log.display().to_string());
        let config = config
            .replace("/var/log/nginx/tillgate-error.log", &file("error.log").display().to_string());
        fs::write(file("tillgate.conf"), config)?;
        let servers: String =
            receivers.iter().map(|address| format!("server {address} max_fails=0;\n")).collect();
        fs::write(file("tillgate-receivers.conf"), servers)?;
        // A port that was just free may be taken by now. Then another one is
        // tried.
        let mut last = io::Error::other("nginx was not started");
        for _ in 0..10 {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            fs::write(
                file("tillgate-listen.conf"),
                format!("listen {address};\nserver_name 127.0.0.1;\n"),
            )?;
            let refuses = format!("server {{ listen {address} default_server; return 444; }}\n");
            fs::write(file("tillgate-default.conf"), refuses)?;
            fs::write(file("nginx.conf"), main_config(&folder))?;
            match Nginx::run(&binary, &folder, address) {
                Ok(process) => {
                    return Ok(Nginx {
                        address,
                        access_log,
                        error_log: file("error.log"),
                        process,
                    });
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn run(binary: &Path, folder: &Path, address: SocketAddr) -> io::Result<Child> {
        let log = folder.join("error.log");
        let mut process = Command::new(binary)
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(&log)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()?;
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(process);
            }
            if process.try_wait()?.is_some() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("nginx did not start: {said}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = process.kill();
        Err(io::Error::other("nginx did not start in time"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // nginx ends its workers when it is terminated, but not when it is
        // killed.
        let _ = signal(self.process.id(), "TERM");
        let _ = self.process.wait();
    }
}

/// The main configuration around the tested one.
fn main_config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\npid {folder}/nginx.pid;\nworker_processes 2;\nworker_shutdown_timeout 30s;\n\
         worker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  client_body_temp_path {folder}/temp/body;\n  \
         proxy_temp_path {folder}/temp/proxy;\n  \
         fastcgi_temp_path {folder}/temp/fastcgi;\n  uwsgi_temp_path {folder}/temp/uwsgi;\n  \
         scgi_temp_path {folder}/temp/scgi;\n  include {folder}/tillgate.conf;\n}}\n"
    )
}

fn nginx_binary() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("nginx"));
    let found = in_path.chain(NGINX_PLACES.map(PathBuf::from)).find(|place| place.is_file());
    found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "nginx not found. Install it: sudo apt-get install nginx",
        )
    })
}

//! The resources that processes use, as Linux counts them.

use std::fs;

/// The resources that processes have used so far; zero if the system does not
/// report them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, in clock ticks of a hundredth of a second.
    pub ticks: u64,
    /// Processor time of the PostgreSQL servers on this machine, in clock
    /// ticks.
    pub database_ticks: u64,
    /// Bytes written to the disk.
    pub written_bytes: u64,
    /// Memory in use, in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    pub fn of(processes: &[u32]) -> Usage {
        let mut all = Usage { database_ticks: database_ticks(), ..Usage::default() };
        for id in processes {
            let id = id.to_string();
            let status = read(&id, "status").and_then(|text| number_after(&text, "VmRSS:"));
            all.ticks += ticks(&id).map_or(0, |times| times[0] + times[1]);
            all.written_bytes +=
                read(&id, "io").and_then(|io| number_after(&io, "write_bytes:")).unwrap_or(0);
            all.resident_bytes += status.unwrap_or(0) * 1024;
        }
        all
    }
}

/// The time of all processes of PostgreSQL. The time of those that have ended
/// is with the process that started them.
fn database_ticks() -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_database = |id: &String| read(id, "comm").is_some_and(|name| name.trim() == "postgres");
    ids.filter(is_database).filter_map(|id| ticks(&id)).map(|times| times.iter().sum::<u64>()).sum()
}

/// User and system time of a process, and of its children that have ended.
fn ticks(id: &str) -> Option<[u64; 4]> {
    let stat = read(id, "stat")?;
    // The fields after the program's name, which may contain spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse);
    let mut next = || times.next()?.ok();
    Some([next()?, next()?, next()?, next()?])
}

fn read(id: &str, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{id}/{file}")).ok()
}

fn number_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

//! What Linux says of this process, for `process_*`. Elsewhere, or without `/proc`, it is absent.

use std::fs;

/// Ticks per second in `/proc/self/stat`: part of Linux's interface on all that Weir runs on.
const TICKS: f64 = 100.0;

/// Numbers with Prometheus' names and units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time.
    pub cpu_s: f64,
    /// Resident memory.
    pub resident_bytes: f64,
    /// Virtual memory.
    pub virtual_bytes: f64,
    /// Open file descriptors.
    pub open_fds: f64,
    /// Limit on them.
    pub max_fds: f64,
    /// Start, since the epoch.
    pub started_s: f64,
}

impl Process {
    /// As of now.
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let mut process = parse(&stat, &status, &limits, &machine)?;
        process.open_fds = open as f64;
        Some(process)
    }
}

fn parse(stat: &str, status: &str, limits: &str, machine: &str) -> Option<Process> {
    // The second field is the program's name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let booted = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|text| text.trim().parse::<f64>().ok())
        .unwrap_or(0.0);
    let max_fds = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    Some(Process {
        cpu_s: (number(11)? + number(12)?) / TICKS,
        resident_bytes: kib("VmRSS:").unwrap_or(0.0) * 1024.0,
        virtual_bytes: kib("VmSize:").unwrap_or(0.0) * 1024.0,
        open_fds: 0.0,
        max_fds: max_fds.unwrap_or(0.0),
        started_s: booted + number(19)? / TICKS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_odd_name_is_read_all_the_same() {
        let stat = "7 (we ir) x) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 4 0 1000 9 9";
        let status = "Name:\tweir\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        let process = parse(stat, status, limits, "cpu 1\nbtime 500\n").unwrap();
        assert_eq!(process.cpu_s, 2.0);
        assert_eq!(process.resident_bytes, 1_048_576.0);
        assert_eq!(process.virtual_bytes, 2_097_152.0);
        assert_eq!(process.max_fds, 1024.0);
        assert_eq!(process.started_s, 510.0);
    }

    #[test]
    fn nonsense_is_absent_and_no_panic() {
        assert_eq!(parse("", "", "", ""), None);
        assert_eq!(parse("7 (weir) S 1", "", "", ""), None);
    }
}

//! Metrics that the kernel reports about this process (proc(5)). Only Linux has them.

#[cfg(not(target_os = "linux"))]
pub(super) fn collect() {}

#[cfg(target_os = "linux")]
pub(super) use linux::collect;

#[cfg(target_os = "linux")]
mod linux {
    use metrics::{counter, gauge};
    use rustix::{
        param::{clock_ticks_per_second, page_size},
        process::{Resource, getrlimit},
    };
    use std::fs;

    /// Reads all available metrics of the process.
    pub(in super::super) fn collect() {
        if let Some(stat) = Stat::read() {
            let ticks = clock_ticks_per_second();
            counter!("process_cpu_seconds_total").absolute(stat.cpu_ticks / ticks);
            gauge!("process_resident_memory_bytes").set(stat.resident_pages as f64 * page_size() as f64);
            if let Some(booted) = booted_at() {
                gauge!("process_start_time_seconds").set(booted + stat.start_ticks as f64 / ticks as f64);
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of the entries is the descriptor of the folder that is being read.
            gauge!("process_open_fds").set(open.count().saturating_sub(1) as f64);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge!("process_max_fds").set(most as f64);
        }
    }

    /// The used fields of `/proc/self/stat`.
    struct Stat {
        cpu_ticks: u64,
        start_ticks: u64,
        resident_pages: u64,
    }

    impl Stat {
        fn read() -> Option<Self> {
            Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
        }

        /// Parses the text. The second field is the program's name: it may hold any character and ends with the last
        /// parenthesis.
        fn parse(text: &str) -> Option<Self> {
            let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
            let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
            Some(Self { cpu_ticks: number(11)? + number(12)?, start_ticks: number(19)?, resident_pages: number(21)? })
        }
    }

    /// Returns the boot time of the machine, in seconds since 1970.
    fn booted_at() -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_programs_name_may_hold_anything() {
            let text = "7 (a) b (c) S 1 1 1 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 3 0 4711 9 12 18446744073709551615";
            let stat = Stat::parse(text).expect("a line of proc");
            assert_eq!((stat.cpu_ticks, stat.start_ticks, stat.resident_pages), (300, 4711, 12));
        }
    }
}

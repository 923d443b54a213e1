//! The built binary's own workers: the same pictures as without, one request lost for each that dies, and memory that stays
//! below what is stated.

mod ceiling;
mod same;
mod waiting;
mod workers;

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// The workers of a server.
fn workers_of(server: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // Behind the name in brackets: state, parent.
        let behind = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = behind.split(' ');
        fields.next() != Some("Z") && fields.next() == Some(&server.to_string())
    };
    ids.filter(is_child).collect()
}

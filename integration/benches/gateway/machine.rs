//! The machine and the programs under test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The folder of `mezd` and `mezctl`, where the fixtures look for them too; the error is the first that is missing.
pub fn programs() -> Result<PathBuf, String> {
    let folder = match std::env::var_os("MEZITE_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        // target/release/deps/gateway-0123456789abcdef
        None => std::env::current_exe()
            .expect("the path of the benchmark")
            .ancestors()
            .nth(2)
            .expect("a benchmark lies in target/release/deps")
            .to_owned(),
    };
    for name in ["mezd", "mezctl"] {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(path.display().to_string());
        }
    }
    Ok(folder)
}

/// Prints what the figures depend on.
pub fn describe() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{count} × {}, Linux {}, {}",
        model.trim_start_matches([' ', '\t', ':']),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim_end(),
        ssh_version()
    );
    println!("load before: {}", load.split(' ').next().unwrap_or_default());
}

fn ssh_version() -> String {
    let said = Command::new("ssh").arg("-V").output().expect("ssh is installed");
    String::from_utf8_lossy(&said.stderr).trim_end().to_owned()
}

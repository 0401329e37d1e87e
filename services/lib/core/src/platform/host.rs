//! What this machine is: Go's names for what Rust was compiled for, and on 32-bit arm the variant that
//! the kernel tells of.

use std::io::Read;
use std::sync::OnceLock;

use super::Platform;

/// More of /proc/cpuinfo is not needed: the first processor tells.
const CPUINFO: u64 = 64 << 10;

pub(super) fn platform() -> Platform {
    static HOST: OnceLock<Platform> = OnceLock::new();
    HOST.get_or_init(detect).clone()
}

fn detect() -> Platform {
    let architecture = architecture(std::env::consts::ARCH);
    let variant = match architecture {
        "arm" => arm_variant(&read("/proc/cpuinfo"), &read("/proc/sys/kernel/arch")),
        _ => "",
    };
    Platform::new(std::env::consts::OS, architecture, variant)
}

/// Go's name for an architecture of Rust's.
fn architecture(name: &str) -> &str {
    let little = cfg!(target_endian = "little");
    match name {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc" => "ppc",
        "powerpc64" if little => "ppc64le",
        "powerpc64" => "ppc64",
        "mips" if little => "mipsle",
        "mips64" if little => "mips64le",
        other => other,
    }
}

/// As much of the file as matters; nothing where it cannot be read.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(CPUINFO).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The variant from /proc/cpuinfo, or where that has none (under emulation) from the kernel's name
/// of the machine (`armv7l`), or the usual one.
fn arm_variant(cpuinfo: &str, machine: &str) -> &'static str {
    let told = field(cpuinfo, "cpu architecture").unwrap_or_default();
    let model = field(cpuinfo, "model name").unwrap_or_default();
    // The kernel says 7 of a Raspberry Pi's ARM1176; the model name does not.
    if model.starts_with("armv6-compatible") {
        return "v6";
    }
    of_digit(told.trim_start_matches("aarch64").chars().next())
        .or_else(|| told.starts_with("aarch64").then_some("v8"))
        .or_else(|| machine.starts_with("aarch64").then_some("v8"))
        .or_else(|| of_digit(machine.strip_prefix("armv").and_then(|rest| rest.chars().next())))
        .unwrap_or("v7")
}

fn of_digit(digit: Option<char>) -> Option<&'static str> {
    match digit? {
        '8' => Some("v8"),
        '7' => Some("v7"),
        '6' => Some("v6"),
        '5' => Some("v5"),
        _ => None,
    }
}

/// The first value of a field of /proc/cpuinfo, in lower case.
fn field(cpuinfo: &str, name: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arm_variant_is_found_or_left_at_the_usual_one() {
        let cpu = |value: &str| format!("processor\t: 0\nCPU architecture: {value}\n");
        assert_eq!(arm_variant(&cpu("8"), ""), "v8");
        assert_eq!(arm_variant(&cpu("AArch64"), ""), "v8");
        assert_eq!(arm_variant(&cpu("7"), "armv6l"), "v7");
        assert_eq!(arm_variant(&cpu("6TEJ"), ""), "v6");
        assert_eq!(arm_variant(&cpu("5TE"), ""), "v5");
        assert_eq!(arm_variant(&cpu("?(12)"), ""), "v7");
        assert_eq!(arm_variant("", "armv6l\n"), "v6");
        assert_eq!(arm_variant("", "aarch64"), "v8");
        assert_eq!(arm_variant("flags : x", "x86_64"), "v7");
        assert_eq!(arm_variant("", ""), "v7");
    }

    #[test]
    fn a_raspberry_pi_that_calls_itself_7_is_a_6() {
        let pi = "model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n";
        assert_eq!(arm_variant(pi, "armv6l"), "v6");
    }

    #[test]
    fn the_host_is_known_and_can_run_itself() {
        let host = Platform::host();
        assert!(!host.os.is_empty() && !host.architecture.is_empty());
        assert_eq!(host.rank(&host), Some(0));
        assert_eq!(host, host.normalized());
    }
}

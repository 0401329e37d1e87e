//! Which system calls the program may make (`linux.seccomp` of the runtime spec): the names are data, in
//! seccomp.txt; here is what is decided by arguments.

use serde_json::{Value, json};

const NAMES: &str = include_str!("seccomp.txt");

/// EPERM and ENOSYS.
const NOT_PERMITTED: u32 = 1;
const NOT_THERE: u32 = 38;
/// The flags of clone(2) that make a namespace.
const NAMESPACES: u64 = 0x7e02_0000;
/// personality(2): linux, linux32, both with UNAME26, and the question which it is.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Below this every address family may be asked of socket(2); above it these. Missing are those that reach
/// past a network namespace (AF_VSOCK), or have little use and a history (AF_ALG, DECnet, RDS, LLC, TIPC).
const FAMILIES_BELOW: u64 = 12;
const FAMILIES: [u64; 25] = [
    13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44,
    45,
];

/// The profile of a container with these capabilities, on this machine.
pub fn profile(capabilities: &[&str]) -> Value {
    let mut rules = vec![allow(&names(capabilities))];
    let personality = |value: &u64| when("personality", 0, *value, "SCMP_CMP_EQ", 0);
    rules.extend(PERSONALITIES.iter().map(personality));
    rules.push(when("socket", 0, FAMILIES_BELOW, "SCMP_CMP_LT", 0));
    rules.extend(FAMILIES.iter().map(|family| when("socket", 0, *family, "SCMP_CMP_EQ", 0)));
    if !capabilities.contains(&"CAP_SYS_ADMIN") {
        rules.extend(threads_only());
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": NOT_PERMITTED,
        "architectures": architectures(),
        "syscalls": rules,
    })
}

/// clone without a new namespace; what clone3 is asked for lies in memory, where no filter sees it, so that
/// libraries are told to fall back.
fn threads_only() -> [Value; 2] {
    let flags = if cfg!(target_arch = "s390x") { 1 } else { 0 };
    let clone3 = json!({
        "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NOT_THERE,
    });
    [when("clone", flags, NAMESPACES, "SCMP_CMP_MASKED_EQ", 0), clone3]
}

fn allow(names: &[&str]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW"})
}

fn when(name: &str, index: u32, value: u64, op: &str, value_two: u64) -> Value {
    let argument = json!({"index": index, "value": value, "valueTwo": value_two, "op": op});
    json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]})
}

/// The machine's own architecture, and those whose programs it runs beside.
fn architectures() -> &'static [&'static str] {
    match std::env::consts::ARCH {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "s390x" => &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        "riscv64" => &["SCMP_ARCH_RISCV64"],
        "powerpc64" => &["SCMP_ARCH_PPC64LE"],
        // The runtime takes its own then.
        _ => &[],
    }
}

/// The names of all sections that hold here, sorted.
fn names(capabilities: &[&str]) -> Vec<&'static str> {
    let mut holds = false;
    let mut names = Vec::new();
    for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(section) => holds = section_holds(section, capabilities),
            None if holds => names.extend(line.split_whitespace()),
            None => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn section_holds(section: &str, capabilities: &[&str]) -> bool {
    match section.split_once(' ') {
        None => section == "always",
        Some(("on", architecture)) => architecture == std::env::consts::ARCH,
        Some((_, capability)) => capabilities.contains(&capability),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_one_that_is_understood() {
        let sections = NAMES.lines().filter(|line| line.starts_with('['));
        for section in sections.map(|line| line.trim_matches(['[', ']'])) {
            let known = section == "always"
                || section.starts_with("on ")
                || section.starts_with("with CAP_");
            assert!(known, "{section}");
        }
    }

    #[test]
    fn a_capability_brings_its_calls_and_without_it_they_are_refused() {
        let plain = names(&[]);
        assert!(plain.contains(&"openat2") && !plain.contains(&"mount"));
        assert!(!plain.contains(&"chroot") && names(&["CAP_SYS_CHROOT"]).contains(&"chroot"));
        let admin = profile(&["CAP_SYS_ADMIN"]).to_string();
        assert!(admin.contains("\"mount\"") && !admin.contains("SCMP_CMP_MASKED_EQ"));
        assert!(profile(&[]).to_string().contains("SCMP_CMP_MASKED_EQ"));
    }
}

//! `--security-opt`.

use varve_core::{Error, Result};

/// What a program may do beyond what its capabilities say.
#[derive(PartialEq, Eq, Debug)]
pub struct Security {
    /// A setuid bit gives it no rights.
    pub no_new_privileges: bool,
    /// Its system calls are filtered.
    pub seccomp: bool,
}

impl Security {
    /// InvalidArgument for an option that there is not.
    pub fn of(options: &[String]) -> Result<Self> {
        let mut security = Self { no_new_privileges: true, seccomp: true };
        for option in options {
            match option.replacen(':', "=", 1).as_str() {
                "no-new-privileges" | "no-new-privileges=true" => security.no_new_privileges = true,
                "no-new-privileges=false" => security.no_new_privileges = false,
                "seccomp=unconfined" => security.seccomp = false,
                _ => {
                    return Err(Error::invalid(format!(
                        "--security-opt {option}: want no-new-privileges=true, \
                         no-new-privileges=false or seccomp=unconfined"
                    )));
                }
            }
        }
        Ok(security)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_confined_unless_its_user_says_otherwise() {
        let of = |options: &[&str]| {
            Security::of(&options.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let told = |options: &[&str]| of(options).map(|it| (it.no_new_privileges, it.seccomp));
        assert_eq!(told(&[]).unwrap(), (true, true));
        assert_eq!(told(&["no-new-privileges:false"]).unwrap(), (false, true));
        assert_eq!(told(&["seccomp=unconfined"]).unwrap(), (true, false));
        for bad in ["seccomp=/profile.json", "apparmor=x", ""] {
            assert!(of(&[bad]).is_err(), "{bad}");
        }
    }
}

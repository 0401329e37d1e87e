//! Who a container's program runs as: `USER[:GROUP]`, looked up in the image's own passwd and group, never in
//! the machine's.

use varve_core::{Error, Result};

use super::below::Below;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// Ids beyond this wrap around somewhere on their way to the kernel (CVE-2024-40635).
const MAX_ID: u32 = i32::MAX as u32;

/// A user as the runtime spec has it, and their home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// The first group among them, as Docker does (CVE-2022-36109).
    pub groups: Vec<u32>,
    pub home: String,
}

/// A line of passwd(5).
#[derive(Clone, Debug)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// A line of group(5).
#[derive(Clone, Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// Looks up `wanted`; root where it is empty.
pub fn resolve(below: &Below, wanted: &str) -> Result<User> {
    let (accounts, groups) = (accounts(below)?, groups(below)?);
    let (user, group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let (uid, account) = find_user(&accounts, user)?;
    let home = account.map(|account| account.home.as_str()).filter(|home| !home.is_empty());
    let home = home.unwrap_or("/").to_owned();
    let gid = match group {
        Some(group) => find_group(&groups, group)?,
        None => account.map_or(0, |account| account.gid),
    };
    let mut all = vec![gid];
    // A group that was asked for stands alone.
    if let (None, Some(account)) = (group, account) {
        let of = groups.iter().filter(|group| group.members.contains(&account.name));
        all.extend(of.map(|group| group.gid));
        all.dedup();
    }
    Ok(User { uid, gid, groups: all, home })
}

/// A name, or a number that need not be in the list.
fn find_user<'a>(accounts: &'a [Account], text: &str) -> Result<(u32, Option<&'a Account>)> {
    if let Some(account) = accounts.iter().find(|account| account.name == text) {
        return Ok((account.uid, Some(account)));
    }
    let uid = number("user", text, PASSWD)?;
    Ok((uid, accounts.iter().find(|account| account.uid == uid)))
}

fn find_group(groups: &[Group], text: &str) -> Result<u32> {
    match groups.iter().find(|group| group.name == text) {
        Some(group) => Ok(group.gid),
        None => number("group", text, GROUP),
    }
}

fn number(kind: &str, text: &str, file: &str) -> Result<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::not_found(format!(
            "unable to find {kind} {text}: no matching entries in the image's {file}"
        )));
    }
    text.parse()
        .ok()
        .filter(|id| *id <= MAX_ID)
        .ok_or_else(|| Error::invalid(format!("{kind} {text}: want a number of at most {MAX_ID}")))
}

fn accounts(below: &Below) -> Result<Vec<Account>> {
    let account = |fields: &[&str]| match fields {
        [name, _, uid, gid, _, home, ..] => Some(Account {
            name: (*name).to_owned(),
            uid: id(uid)?,
            gid: id(gid)?,
            home: (*home).to_owned(),
        }),
        _ => None,
    };
    lines(below, PASSWD, account)
}

fn groups(below: &Below) -> Result<Vec<Group>> {
    let group = |fields: &[&str]| match fields {
        [name, _, gid, rest @ ..] => Some(Group {
            name: (*name).to_owned(),
            gid: id(gid)?,
            members: rest.first().map(|all| members(all)).unwrap_or_default(),
        }),
        _ => None,
    };
    lines(below, GROUP, group)
}

fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= MAX_ID)
}

fn members(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What `read` makes of the fields of each line; lines that are none are passed over.
fn lines<T>(below: &Below, path: &str, read: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>> {
    let bytes = below.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| read(&line.trim().split(':').collect::<Vec<_>>())).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn image(passwd: &str, group: &str) -> (tempfile::TempDir, Below) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), group).unwrap();
        let below = Below::open(root.path()).unwrap();
        (root, below)
    }

    fn told(below: &Below, wanted: &str) -> (u32, u32, Vec<u32>, String) {
        let User { uid, gid, groups, home } = resolve(below, wanted).unwrap();
        (uid, gid, groups, home)
    }

    #[test]
    fn users_and_groups_are_those_of_the_image() {
        let (_root, below) = image(
            "root:x:0:0::/root:/bin/sh\n# none\nbroken\napp:x:1000:1001:The App:/srv/app:/bin/sh\n",
            "root:x:0:\napp:x:1001:\nwheel:x:10:root,app\naudio:x:29:app\n",
        );
        assert_eq!(told(&below, ""), (0, 0, vec![0, 10], "/root".into()));
        assert_eq!(told(&below, "app"), (1000, 1001, vec![1001, 10, 29], "/srv/app".into()));
        assert_eq!(told(&below, "1000"), told(&below, "app"));
        assert_eq!(told(&below, "app:wheel"), (1000, 10, vec![10], "/srv/app".into()));
        assert_eq!(told(&below, "app:77"), (1000, 77, vec![77], "/srv/app".into()));
        assert_eq!(told(&below, "4242"), (4242, 0, vec![0], "/".into()));
        assert_eq!(told(&below, ":wheel"), (0, 10, vec![10], "/root".into()));
    }

    #[test]
    fn a_name_that_the_image_does_not_have_is_an_error() {
        let (_root, below) = image("root:x:0:0::/root:/bin/sh\n", "");
        let error = resolve(&below, "nobody").unwrap_err();
        assert!(error.message().contains("unable to find user nobody"), "{}", error.message());
        let error = resolve(&below, "root:staff").unwrap_err();
        assert!(error.message().contains("unable to find group staff"), "{}", error.message());
    }

    #[test]
    fn an_id_that_would_wrap_around_to_root_is_refused() {
        let (_root, below) = image("evil:x:4294967296:0::/:\nmore:x:-1:0::/:\n", "");
        for bad in ["4294967296", "2147483648", "0:4294967296", "evil", "more", "-1"] {
            assert!(resolve(&below, bad).is_err(), "{bad}");
        }
        assert_eq!(resolve(&below, "2147483647").unwrap().uid, 2_147_483_647);
    }

    #[test]
    fn an_image_without_accounts_has_root_and_numbers() {
        let root = tempfile::tempdir().unwrap();
        let below = Below::open(root.path()).unwrap();
        assert_eq!(told(&below, ""), (0, 0, vec![0], "/".into()));
        assert_eq!(told(&below, "5:6"), (5, 6, vec![6], "/".into()));
    }
}

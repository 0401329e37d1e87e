//! A login, a pull, a push and all their failures, with a log of everything: neither the password, nor its base64
//! form, nor any token is in what is printed, logged, written to the disk or told of a process.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use varve_registry::testsuite::{Fault, Gate, On, Rule};
use varve_tests::cluster::Topology;
use varve_tests::command::text;
use varve_tests::demo;
use varve_tests::fake::Fake;

use super::person::{Person, files, tail};
use super::watch::Watch;

/// How the registry lets people in.
#[derive(Clone, Copy, Debug)]
enum Way {
    Basic,
    Tokens,
    /// The login is an identity token, which a helper keeps.
    Identity,
}

#[test]
fn a_login_by_password_leaves_nothing_where_the_services_are_in_the_command() {
    check(Way::Basic, Topology::Embedded);
}

#[test]
fn a_login_by_password_leaves_nothing_where_they_are_in_a_daemon() {
    check(Way::Basic, Topology::Daemon);
}

#[test]
fn a_login_for_tokens_leaves_nothing_where_the_services_are_in_the_command() {
    check(Way::Tokens, Topology::Embedded);
}

#[test]
fn a_login_for_tokens_leaves_nothing_where_they_are_in_a_daemon() {
    check(Way::Tokens, Topology::Daemon);
}

#[test]
fn an_identity_token_of_a_helper_leaves_nothing_where_each_is_a_process() {
    check(Way::Identity, Topology::Split);
}

fn check(way: Way, topology: Topology) {
    let (mut person, fake, watch) = (Person::new(topology), Fake::start().unwrap(), Watch::start());
    fake.push("lab/app", "1", &demo::image());
    fake.guard(gate(way, &person));
    let secrets = go_through(way, &mut person, &fake);
    person.stop();
    assert!(person.printed.contains("TRACE"), "nothing was logged");
    let mut search = Search { secrets, found: Vec::new() };
    search.look("what was printed", person.printed.as_bytes());
    let files = files(person.world.path());
    assert!(files.len() > 10, "{} files", files.len());
    let (logs, apart) = (person.logs(), topology != Topology::Embedded);
    assert_eq!(logs.contains("TRACE"), apart, "the services' logs");
    search.look("the services' logs", logs.as_bytes());
    files.iter().for_each(|(path, bytes)| search.look(&path.display().to_string(), bytes));
    let processes = watch.end();
    let root = person.root().display().to_string();
    assert!(processes.values().any(|line| text(line).contains(&root)), "no process was seen");
    processes.iter().for_each(|(process, bytes)| search.look(process, bytes));
    assert!(search.found.is_empty(), "{way:?}:\n{}", search.found.join("\n"));
}

/// What these tests look for is found where it is.
#[test]
fn a_secret_that_is_told_of_a_process_or_written_is_found() {
    let watch = Watch::start();
    let mut sleep = std::process::Command::new("sleep");
    let mut child = sleep.arg("0.3").env("TOKEN", "of-the-environment").spawn().unwrap();
    child.wait().unwrap();
    let mut search = Search { secrets: vec!["of-the-environment".into()], found: Vec::new() };
    watch.end().iter().for_each(|(process, bytes)| search.look(process, bytes));
    assert!(!search.found.is_empty(), "a process was not seen");
    search.found.clear();
    search.look("a file", b"\xff\0 Bearer of-the-environment\n");
    assert_eq!(search.found.len(), 1);
}

struct Search {
    secrets: Vec<String>,
    found: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        let text = text(bytes);
        for secret in self.secrets.iter().filter(|secret| text.contains(secret.as_str())) {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            let line: String = line.unwrap_or_default().chars().take(400).collect();
            self.found.push(format!("{secret} is in {place}: {line}"));
        }
    }
}

fn gate(way: Way, person: &Person) -> Gate {
    let identity = match way {
        Way::Basic => return Gate::Basic("me".into(), person.password.clone()),
        Way::Tokens => None,
        Way::Identity => Some(person.identity.clone()),
    };
    let login = Some(("me".into(), person.password.clone()));
    Gate::Bearer { login, identity, expires_in: 300, scope: None, realm: None }
}

/// All that somebody does with a login, well and ill; answers what nobody may find.
fn go_through(way: Way, person: &mut Person, fake: &Fake) -> Vec<String> {
    let (host, wrong) = (fake.address().to_owned(), "wrong-secret-of-nobody".to_owned());
    if matches!(way, Way::Identity) {
        person.install_helper(&host);
    }
    let (image, copy) = (format!("{host}/lab/app:1"), format!("{host}/lab/copy:1"));
    person.fail(&["pull", &image]);
    assert!(!person.log_in(&host, &wrong), "{}", tail(&person.printed));
    let password = person.password.clone();
    assert!(person.log_in(&host, &password), "{}", tail(&person.printed));
    person.succeed(&["plan", &image]);
    person.succeed(&["pull", &image]);
    person.succeed(&["tag", &image, &copy]);
    person.succeed(&["push", &copy]);
    person.succeed(&["search", &format!("{host}/app")]);
    let everything = |fault| Rule::new(On::Everything, fault);
    let refused = Fault::Status(403, None);
    for fault in [refused, Fault::Status(501, None), Fault::Redirect("http://127.0.0.1:1/*".into())]
    {
        fake.faults([everything(fault)]);
        person.fail(&["pull", &format!("{host}/lab/other:1")]);
        person.fail(&["push", &copy]);
    }
    fake.faults([Rule::new(On::Everything, Fault::Revoke(true))]);
    let _ = person.run(&["pull", &format!("{host}/lab/app:2")], "");
    fake.faults([Rule::new(On::Token, Fault::Body(r#"{"token": 17}"#.into()))]);
    let _ = person.run(&["pull", &format!("{host}/lab/app:3")], "");
    fake.faults([]);
    through_proxies(way, person, fake);
    secrets(person, fake, wrong)
}

/// A proxy has a login too, and headers of a host may be secrets.
fn through_proxies(way: Way, person: &mut Person, fake: &Fake) {
    let secret = person.identity.clone();
    let proxy = |host: &str, at: &str| {
        format!(
            "server = \"http://{host}\"\nproxy = \"http://{secret}:{secret}@{at}\"\n\
             [header]\nx-key = \"{secret}\"\n"
        )
    };
    let (good, bad) = ("registry.invalid", "broken.invalid");
    person.write_hosts(good, &proxy(good, fake.address()));
    person.write_hosts(bad, &proxy(bad, "127.0.0.1:1"));
    let password = person.password.clone();
    // A token server on the loopback is none of theirs.
    let let_in = person.log_in(good, &password);
    assert_eq!(let_in, matches!(way, Way::Basic), "{}", tail(&person.printed));
    assert_eq!(person.run(&["pull", &format!("{good}/lab/app:1")], ""), let_in);
    person.fail(&["pull", &format!("{bad}/lab/app:1")]);
}

/// The passwords in every form that a header or a file gives them, and all tokens that were sent.
fn secrets(person: &Person, fake: &Fake, wrong: String) -> Vec<String> {
    let twice = format!("{0}:{0}", person.identity);
    let mut all = vec![person.identity.clone(), STANDARD.encode(twice)];
    for password in [&person.password, &wrong] {
        let pair = format!("me:{password}");
        all.extend([STANDARD.encode(&pair), STANDARD_NO_PAD.encode(&pair), URL_SAFE.encode(&pair)]);
        all.extend([STANDARD.encode(password), password.clone()]);
    }
    for asked in fake.requests() {
        let sent = asked.authorization.unwrap_or_default();
        if let Some(token) = sent.strip_prefix("Bearer ") {
            all.push(token.to_owned());
        }
        // What is a query is in logs of servers and proxies.
        assert!(!all.iter().any(|secret| asked.query.contains(secret.as_str())), "{}", asked.query);
    }
    all.sort();
    all.dedup();
    all
}

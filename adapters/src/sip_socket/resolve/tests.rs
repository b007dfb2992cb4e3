use super::*;
use std::future::pending;
use tokio::sync::Semaphore;

const ADDRESS: &str = "192.0.2.7:5060";

fn name(host: &str) -> HostKey {
    HostKey { host: host.into(), port: None }
}

fn found(name: HostKey) -> Found {
    (name, Ok(vec![ADDRESS.parse().unwrap()]))
}

fn not_found(name: HostKey) -> Found {
    (name, Err(io::Error::other("SERVFAIL")))
}

/// `silent.example` is asked for for ever; every other name has an address.
async fn one_is_silent(name: HostKey) -> Found {
    if &*name.host == "silent.example" { pending().await } else { found(name) }
}

fn want(names: &Names, hosts: &[&str]) {
    for host in hosts {
        names.news.send(News::Wanted(name(host))).unwrap();
    }
}

/// Waits until these have been looked up; that takes no time.
async fn waits(names: &Names, hosts: &[&str]) {
    let all = names.looked_up(hosts.iter().map(|host| name(host)).collect());
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("it waits for ever");
}

fn resolved(inbox: &Inbox) -> Vec<String> {
    let of = |notice| match notice {
        Notice::Resolved(name, addresses) => {
            assert_eq!(addresses, [ADDRESS.parse().unwrap()]);
            name.host.to_string()
        }
        _ => panic!("something else was told"),
    };
    inbox.take().into_iter().map(of).collect()
}

fn inbox() -> Arc<Inbox> {
    Arc::new(Inbox::new().unwrap())
}

#[tokio::test]
async fn a_name_whose_servers_are_silent_holds_up_no_other() {
    let inbox = inbox();
    let names = Names::by(Arc::clone(&inbox), one_is_silent);
    want(&names, &["silent.example", "a.example", "b.example", "a.example"]);
    waits(&names, &["a.example", "b.example"]).await;
    let mut told = resolved(&inbox);
    told.sort();
    assert_eq!(told, ["a.example", "b.example"]);
}

#[tokio::test]
async fn nobody_waits_for_what_is_served_here_or_was_looked_up_or_never_will_be() {
    let names = Names::by(inbox(), one_is_silent);
    names.news.send(News::Own("silent.example".parse().unwrap(), true)).unwrap();
    want(&names, &["silent.example", "a.example"]);
    waits(&names, &["silent.example", "a.example", "unknown.example"]).await;
    waits(&names, &["a.example"]).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_been_looked_up_all_the_same() {
    let inbox = inbox();
    let names = Names::by(Arc::clone(&inbox), async |name| not_found(name));
    want(&names, &["a.example"]);
    waits(&names, &["a.example"]).await;
    assert!(resolved(&inbox).is_empty());
}

#[tokio::test]
async fn so_many_are_asked_for_at_once_and_no_more() {
    let (begun, mut begins) = mpsc::unbounded_channel();
    let go_on = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go_on);
    let names = Names::by(inbox(), move |name| {
        begun.send(()).unwrap();
        let wait = Arc::clone(&wait);
        async move {
            wait.acquire().await.unwrap().forget();
            found(name)
        }
    });
    let hosts: Vec<String> = (0..3 * AT_ONCE).map(|n| format!("n{n}.example")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    want(&names, &hosts);
    for _ in 0..AT_ONCE {
        begins.recv().await.unwrap();
    }
    // Whoever is told of this was told of all names before.
    waits(&names, &[]).await;
    assert!(begins.try_recv().is_err());
    go_on.add_permits(1);
    begins.recv().await.unwrap();
    go_on.add_permits(hosts.len());
    waits(&names, &hosts).await;
}

/// After how many seconds it is looked up again.
fn again(fresh: &mut Fresh, found: Found) -> u64 {
    let before = Instant::now();
    fresh.due.clear();
    fresh.done(Ok(found));
    (fresh.due.first().unwrap().0 - before).as_secs()
}

#[tokio::test]
async fn what_does_not_resolve_is_tried_again_soon_and_then_ever_later() {
    let mut fresh = Fresh::new(inbox());
    let a = || name("a.example");
    let waits: Vec<u64> = (0..8).map(|_| again(&mut fresh, not_found(a()))).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(again(&mut fresh, found(a())), 60);
    assert_eq!(again(&mut fresh, not_found(a())), 1, "it had an address");
    fresh.own.insert("a.example".parse().unwrap());
    assert_eq!(again(&mut fresh, not_found(a())), 60, "it needs none");
}

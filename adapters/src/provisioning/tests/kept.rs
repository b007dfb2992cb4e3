//! A start by what is kept beside the log.

use super::*;
use crate::kept::Keep;
use crate::keyring::{Keyring, Master};
use crate::scratch::Folder;

#[tokio::test]
async fn what_is_kept_of_numbers_gives_what_their_streams_give() {
    let folder = Folder::new();
    let master = Master::File(folder.path().join("keyring.key"));
    let keyring = Arc::new(Keyring::open(&folder.path().join("keyring.db"), &master).unwrap());
    let shelf = Arc::new(Shelf::new(folder.path().join("numbers.kept"), keyring));
    let world = World::new().await;
    let account = world.account(None).await;
    let mut numbers = vec![];
    for number in ["+15550000001", "+15550000002", "+15550000003"] {
        numbers.push(world.claim(account, number).await.unwrap().unwrap().0);
    }
    let log: Arc<dyn EventLog> = Arc::new(world.log.clone());
    let (head, derive) = (log.head(), Arc::new(Numbers { log: Arc::clone(&log) }));
    assert_eq!(Keep { shelf: Arc::clone(&shelf), log, derive }.make(head).await.unwrap(), 3);
    // One changes afterwards, one comes.
    world.service.release_number(numbers[1], None).await.unwrap().unwrap();
    numbers.push(world.claim(account, "+15550000004").await.unwrap().unwrap().0);
    let kept = World::over(world.log.clone(), world.means.clone(), Some(&shelf)).await;
    let read = world.restarted().await;
    for number in numbers {
        let (kept, read) = (kept.service.directory(), read.service.directory());
        let stream = StreamName::new("number", number);
        assert_eq!(kept.number(number).map(|listed| listed.item), read.number(number).map(|listed| listed.item));
        assert_eq!(kept.end_of(&stream), read.end_of(&stream));
    }
    assert_eq!(kept.applied(), read.applied());
    assert_eq!(kept.claim(account, "+15550000001").await, read.claim(account, "+15550000001").await);
}

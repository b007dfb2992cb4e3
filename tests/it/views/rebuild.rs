//! Read models built anew while queries go on, and what becomes of tables that cannot be used.

use super::harness::{PATIENCE, World, rebuilt};
use super::tellings;
use adapters::event_log::memory::MemoryLog;
use projections::{Ended, Model, RebuildError, StoreError, Views, rebuild_alone};
use std::time::Duration;
use tests::calls::{ACCOUNT, CallScript, basic, failover, hold, record, record_together, refused};

async fn everything(views: &Views) -> String {
    tellings::everything(views, ACCOUNT).await
}

fn mixed(from: u16, to: u16) -> Vec<CallScript> {
    (from..to).map(|n| [basic, failover, hold, refused][usize::from(n % 4)](n)).collect()
}

#[tokio::test]
async fn a_rebuild_takes_the_place_of_what_served_and_nobody_can_tell() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 30));
    // One that lives, half told.
    record(&world.log, &basic(30).cut(4));
    let views = world.views("a").await;
    let before = everything(&views).await;
    for model in Model::ALL {
        views.rebuild(model).await.unwrap();
        assert_eq!(rebuilt(&views, model).await, (Some(2), Some(Ended::Serves)), "{model}");
        assert_eq!(everything(&views).await, before, "{model}");
    }
    record_together(&world.log, &mixed(31, 40));
    views.progress().wait_for_rows(world.log_head(), PATIENCE).await.unwrap();
    let after = everything(&views).await;
    assert_eq!(after, everything(&world.views("straight").await).await, "what came later went into what was built");
    views.close().await;
    let again = world.views("a").await;
    assert_eq!(everything(&again).await, after, "a restart finds it");
    assert!(again.stands().await.iter().all(|stand| stand.generation == Some(2)));
}

#[tokio::test]
async fn a_rebuild_goes_on_with_a_log_that_grows() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 20));
    let views = world.views("a").await;
    views.rebuild(Model::Sessions).await.unwrap();
    for n in 20..40 {
        record(&world.log, &mixed(n, n + 1).remove(0));
        tokio::task::yield_now().await;
    }
    assert_eq!(rebuilt(&views, Model::Sessions).await.1, Some(Ended::Serves));
    views.progress().wait_for_rows(world.log_head(), PATIENCE).await.unwrap();
    assert_eq!(everything(&views).await, everything(&world.views("straight").await).await);
}

#[tokio::test]
async fn one_rebuild_of_a_model_at_a_time_and_its_progress_is_told() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 10));
    let views = world.views("a").await;
    views.rebuild(Model::Routing).await.unwrap();
    assert_eq!(views.rebuild(Model::Routing).await, Err(RebuildError::Running(Model::Routing)));
    views.rebuild(Model::Sessions).await.unwrap();
    rebuilt(&views, Model::Routing).await;
    let stand = views.stands().await.into_iter().find(|stand| stand.model == Model::Routing).unwrap();
    let told = stand.rebuild.unwrap();
    assert_eq!((told.position, told.goal, told.left()), (world.log_head(), world.log_head(), None));
    assert!(told.rate() > 0);
    views.rebuild(Model::Routing).await.unwrap();
}

#[tokio::test]
async fn a_rebuild_that_was_cut_off_is_forgotten() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 10));
    let views = world.views("a").await;
    let before = everything(&views).await;
    views.rebuild(Model::Sessions).await.unwrap();
    views.close().await;
    let views = world.views("a").await;
    assert_eq!(everything(&views).await, before);
    views.rebuild(Model::Sessions).await.unwrap();
    assert_eq!(rebuilt(&views, Model::Sessions).await.1, Some(Ended::Serves));
    assert_eq!(everything(&views).await, before);
}

#[tokio::test]
async fn the_next_start_finds_what_was_rebuilt_without_an_exchange() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 20));
    let views = world.views("a").await;
    let before = everything(&views).await;
    views.close().await;
    let database = world.database("a");
    let done = rebuild_alone(&database, Model::Sessions, world.log(), world.keys.clone(), &|_| ()).await.unwrap();
    assert!(done.is_ok());
    let views = world.views("a").await;
    assert_eq!(everything(&views).await, before);
    let generations: Vec<_> = views.stands().await.into_iter().map(|stand| stand.generation).collect();
    assert_eq!(generations, [Some(2), Some(1), Some(1), Some(1), Some(1)]);
}

#[tokio::test]
async fn files_that_are_damaged_are_built_anew() {
    let world = World::new();
    record_together(&world.log, &mixed(0, 20));
    let views = world.views_in_files("a").await;
    let before = everything(&views).await;
    views.close().await;
    let file = |name: &str| world.folder.file("a").join("views").join(name);
    std::fs::write(file("sessions-1.db"), "no database at all").unwrap();
    let mut routing = std::fs::read(file("routing-1.db")).unwrap();
    routing[100..4_000].fill(0x55);
    std::fs::write(file("routing-1.db"), routing).unwrap();
    let views = world.views_in_files("a").await;
    assert_eq!(everything(&views).await, before);
    assert!(!file("sessions-1.db").exists());
}

#[tokio::test]
async fn the_files_are_nobody_elses_to_read_also_those_that_an_earlier_build_left() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let modes = || {
        let files = std::fs::read_dir(world.folder.file("a").join("views")).unwrap().map(|file| file.unwrap());
        files.map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777)).collect::<Vec<_>>()
    };
    let private = |files: &[(std::ffi::OsString, u32)]| files.iter().all(|(_, mode)| *mode == 0o600);
    record_together(&world.log, &mixed(0, 20));
    let views = world.views_in_files("a").await;
    let open = modes();
    assert!(open.len() > 10 && private(&open), "with what SQLite puts beside them: {open:?}");
    views.close().await;
    for (name, _) in modes() {
        let file = world.folder.file("a").join("views").join(name);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let views = world.views_in_files("a").await;
    let again: Vec<_> = modes().into_iter().filter(|(name, _)| name != "lock").collect();
    assert!(private(&again), "{again:?}");
    views.close().await;
}

#[tokio::test]
async fn rows_of_another_log_are_built_anew_whether_it_is_shorter_as_long_or_longer() {
    for calls in [5, 20, 40] {
        let mut world = World::new();
        record_together(&world.log, &mixed(0, 20));
        world.views("a").await.close().await;
        world.log = MemoryLog::new();
        record_together(&world.log, &mixed(100, 100 + calls));
        let fresh = world.views("fresh").await;
        let views = world.views("a").await;
        assert_eq!(everything(&views).await, everything(&fresh).await, "{calls}");
        let stands = views.stands().await;
        assert!(stands.iter().all(|stand| stand.generation == Some(2)), "{stands:?}");
        views.close().await;
        assert_eq!(world.views("a").await.stands().await, stands, "once is enough");
    }
}

#[tokio::test]
async fn two_never_write_the_same_files() {
    let world = World::new();
    let views = world.views_in_files("a").await;
    let window = Duration::from_millis(5);
    let second = Views::open_with_window(world.files("a"), world.log(), world.keys.clone(), window).await;
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
    let alone = rebuild_alone(&world.files("a"), Model::Sessions, world.log(), world.keys.clone(), &|_| ()).await;
    assert!(matches!(alone, Err(StoreError::InUse(_))));
    views.close().await;
    world.views_in_files("a").await;
}

#[tokio::test]
async fn what_older_builds_kept_in_one_file_is_removed() {
    let world = World::new();
    let old = world.folder.file("a").join("views.db");
    std::fs::create_dir_all(world.folder.file("a")).unwrap();
    std::fs::write(&old, "numbers in clear").unwrap();
    world.views_in_files("a").await;
    assert!(!old.exists());
}

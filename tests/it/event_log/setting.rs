//! Which engine a configuration means, and what is said where the data folder holds a log of the other.

use super::given::Folder;
use api::config::{Config, LogEngine};
use api::wiring::{FirstAccountSettings, StartError};

async fn refused(engine: LogEngine, folder: &Folder) -> String {
    let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
    config.log.engine = engine;
    let error = api::wiring::start(&config, FirstAccountSettings::default()).await.err().unwrap();
    assert!(matches!(error, StartError::OtherEngine { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_log_of_the_other_engine_is_not_overlooked() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("log.db"), "").unwrap();
    let said = refused(LogEngine::Segments, &folder).await;
    assert!(said.contains("set log.engine = \"sqlite\"") && said.contains("another data folder"), "{said}");
    assert!(!folder.path().join("log").exists());

    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    let said = refused(LogEngine::Sqlite, &folder).await;
    assert!(said.contains("set log.engine = \"segments\""), "{said}");
    assert!(!folder.path().join("log.db").exists());
}

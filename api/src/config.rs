//! One configuration file. Every setting has a default; an environment variable `STROWGER_…` overrides it, with `__`
//! between levels (`STROWGER_HTTP__LISTEN=127.0.0.1:9000`).

use domain::address::{EdgeRole, Transport};
use domain::sip::digest::Algorithm;
use domain::sip::session_timer::{LONGEST_MIN_SE, SHORTEST, SessionIntervals};
use event_store_db::client::ConnectionString;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use projections::{PostgresUrl, SchemaPrefix};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

mod addresses;
mod door;
mod error;
mod guard;
mod http;
mod notary;
mod overload;
mod tcp;

pub use door::Door;
pub use error::ConfigError;
use error::wrong;
pub use guard::Guard;
pub use http::Http;
pub use notary::Notary;
pub use tcp::Tcp;

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the log, the keys and the read models.
    pub data: PathBuf,
    /// This node's number; it becomes part of every event's id.
    pub node: u16,
    /// An EventStoreDB or KurrentDB that holds the log instead of this disk: `esdb://user@host:2113?tls=true`.
    pub store: Option<ConnectionString>,
    /// File with the password of the user in `store`.
    pub store_password_file: Option<PathBuf>,
    /// A PostgreSQL database for the read models instead of files in `data`: `postgres://user@host:5432/database`.
    pub database: Option<PostgresUrl>,
    /// What the names of its schemas begin with there, so that several exchanges may share it.
    pub database_schema: SchemaPrefix,
    /// File with the password of the user in `database`.
    pub database_password_file: Option<PathBuf>,
    /// The HTTP API.
    pub http: Http,
    /// SIP.
    pub sip: Sip,
    /// RTP.
    pub media: Media,
    /// The log.
    pub log: Log,
    /// What is signed of the log.
    pub notary: Notary,
}

/// SIP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// The domain in From toward callees, a DNS name or an address. The listener's address where there is none.
    pub domain: Option<String>,
    /// T1 of RFC 3261, milliseconds: 10 to 5000. Leave it alone outside tests.
    pub t1_ms: u64,
    /// Least milliseconds between two readings of the sockets, 0 to 100: what arrives meanwhile shares one turn and one
    /// commit. Higher saves processor time and costs latency. After a rest the first message is read at once.
    pub gather_ms: u64,
    /// Milliseconds that messages may wait beyond `gather_ms` before new calls are refused with 503 for it: 20 to 400, or 0 to
    /// refuse nobody for load.
    pub may_wait_ms: u64,
    /// Seconds within which a call is refreshed on each leg, or over (RFC 4028): 90 to 86400, or 0 for no timers but those
    /// that peers ask for.
    pub session_expires_s: u32,
    /// The least seconds that a peer may ask for, 90 to 86400; a shorter time is refused with 422. Not above
    /// `session_expires_s`, unless that is 0.
    pub min_se_s: u32,
    /// What users are asked to prove their passwords by, the first choice first: `SHA-256`, `SHA-512-256`, `MD5`. Many
    /// phones speak MD5 alone, and some of them only if it stands first.
    pub digest: Vec<String>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Connections of the listeners by TCP.
    pub tcp: Tcp,
    /// How much strangers are answered.
    pub guard: Guard,
    /// Devices that register.
    pub registrar: Registrar,
}

/// Devices that register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registrar {
    /// Seconds between two OPTIONS to a device behind NAT by UDP: 10 to 3600; 0 sends none.
    pub ping_s: u64,
}

/// One SIP listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// The address that peers are told, where it is another one (a wildcard address needs it).
    #[serde(default)]
    pub advertise: Option<SocketAddr>,
    /// `carrier`: trusted peers by address. `public`: anybody, authenticated.
    pub role: EdgeRole,
    /// `udp` or `tcp`. Both may listen on the same address and port.
    #[serde(default)]
    pub transport: Transport,
}

/// RTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Address that ports are bound on.
    pub address: IpAddr,
    /// The address that SDP names, where it is another one.
    pub advertise: Option<IpAddr>,
    /// Port range, `first-last`.
    pub ports: String,
    /// Media threads; by default one less than there are processors, at least one.
    pub threads: Option<usize>,
    /// Seconds without RTP after which a leg is reported silent.
    pub silence_after_s: u64,
}

/// The log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How it is stored: `segments` in the folder `log`, or `sqlite` in the file `log.db`.
    pub engine: LogEngine,
    /// MiB of a segment: 1 to 1024. As much again is filled with zeros ahead of use. Without meaning for SQLite.
    pub segment_mib: u64,
    /// Where others read it.
    pub door: Option<Door>,
}

/// How the log is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEngine {
    /// Segments filled with zeros ahead of use: the least processor time for each commit.
    Segments,
    /// One SQLite file.
    Sqlite,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "strowger-data".into(),
            node: 1,
            store: None,
            store_password_file: None,
            database: None,
            database_schema: SchemaPrefix::default(),
            database_password_file: None,
            http: Http::default(),
            sip: Sip::default(),
            media: Media::default(),
            log: Log::default(),
            notary: Notary::default(),
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let at = |port, role, transport| {
            let address = (Ipv4Addr::LOCALHOST, port).into();
            Listener { address, advertise: None, role, transport }
        };
        let listeners = vec![
            at(5060, EdgeRole::Carrier, Transport::Udp),
            at(5060, EdgeRole::Carrier, Transport::Tcp),
            at(5070, EdgeRole::Public, Transport::Udp),
            at(5070, EdgeRole::Public, Transport::Tcp),
        ];
        let digest = [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| algorithm.token().to_owned()).to_vec();
        let SessionIntervals { wanted: session_expires_s, min: min_se_s } = SessionIntervals::default();
        Self {
            domain: None,
            t1_ms: 500,
            gather_ms: 20,
            may_wait_ms: 100,
            session_expires_s,
            min_se_s,
            digest,
            listeners,
            tcp: Tcp::default(),
            guard: Guard::default(),
            registrar: Registrar::default(),
        }
    }
}

impl Default for Registrar {
    fn default() -> Self {
        Self { ping_s: 30 }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            advertise: None,
            ports: "20000-29999".into(),
            threads: None,
            silence_after_s: 20,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { engine: LogEngine::Segments, segment_mib: 64, door: None }
    }
}

impl Config {
    /// Reads the file (if one is named) and the environment, and checks every value.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::Missing(file.to_owned()));
            }
            figment = figment.merge(Toml::file(file));
        }
        let secrets = ["account_sid", "auth_token", "log", "eventstoredb"];
        let environment = Env::prefixed("STROWGER_").ignore(&secrets).split("__");
        let config: Self =
            figment.merge(environment).extract().map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as a file would say it, defaults included.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be shown: {error}"))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.data.as_os_str().is_empty() {
            return wrong("data", "must name a folder, for example \"strowger-data\"");
        }
        if self.sip.listeners.is_empty() {
            return wrong("sip.listeners", "at least one listener is needed");
        }
        self.check_addresses()?;
        self.sip.domain()?;
        if !(10..=5_000).contains(&self.sip.t1_ms) {
            return wrong("sip.t1_ms", "must be 10 to 5000");
        }
        self.sip.tcp.check()?;
        if !(10..=3_600).contains(&self.sip.registrar.ping_s) && self.sip.registrar.ping_s != 0 {
            return wrong("sip.registrar.ping_s", "must be 10 to 3600, or 0 for none");
        }
        if self.sip.gather_ms > 100 {
            return wrong("sip.gather_ms", "must be 0 to 100");
        }
        self.sip.check_may_wait()?;
        self.sip.intervals()?;
        if !(1..=1_024).contains(&self.log.segment_mib) {
            return wrong("log.segment_mib", "must be 1 to 1024");
        }
        self.http.check()?;
        self.log.door.as_ref().map_or(Ok(()), Door::check)?;
        if self.store_password_file.is_some() && self.store.is_none() {
            return wrong("store_password_file", "goes with store");
        }
        if self.database_password_file.is_some() && self.database.is_none() {
            return wrong("database_password_file", "goes with database");
        }
        self.sip.algorithms()?;
        self.sip.guard.check()?;
        self.notary.check()?;
        if !(1..=3_600).contains(&self.media.silence_after_s) {
            return wrong("media.silence_after_s", "must be 1 to 3600");
        }
        if self.media.address.is_unspecified() && self.media.advertise.is_none() {
            return wrong("media.advertise", "a wildcard media.address needs the address that SDP shall name");
        }
        for listener in &self.sip.listeners {
            if listener.address.ip().is_unspecified() && listener.advertise.is_none() {
                return wrong(
                    "sip.listeners.advertise",
                    "a wildcard address needs the address that peers shall be told",
                );
            }
        }
        self.media.port_range().map(|_| ())
    }
}

impl Sip {
    /// What we want of session timers.
    ///
    /// # Errors
    /// One is out of range, or the shortest longer than what we ask for.
    pub fn intervals(&self) -> Result<SessionIntervals, ConfigError> {
        let range = SHORTEST..=LONGEST_MIN_SE;
        let (wanted, min) = (self.session_expires_s, self.min_se_s);
        if wanted != 0 && !range.contains(&wanted) {
            return wrong(
                "sip.session_expires_s",
                "must be 90 to 86400 (RFC 4028 allows no less), or 0 to ask for no timers",
            );
        }
        if !range.contains(&min) || wanted != 0 && min > wanted {
            return wrong("sip.min_se_s", "must be 90 to 86400, and not above sip.session_expires_s");
        }
        Ok(SessionIntervals { wanted, min })
    }

    /// The algorithms that users are asked for.
    ///
    /// # Errors
    /// There is none, one that is not known, or one twice.
    pub fn algorithms(&self) -> Result<Vec<Algorithm>, ConfigError> {
        let known: Option<Vec<_>> = self.digest.iter().map(|token| Algorithm::of(token)).collect();
        known.filter(|all| Algorithm::is_choice(all)).ok_or_else(|| ConfigError::Value {
            setting: "sip.digest",
            what: "must name one or more of SHA-256, SHA-512-256 and MD5, each once".to_owned(),
        })
    }
}

impl Media {
    /// The port range.
    ///
    /// # Errors
    /// It is not `first-last`, or holds no pair of ports.
    pub fn port_range(&self) -> Result<RangeInclusive<u16>, ConfigError> {
        let read = || {
            let (first, last) = self.ports.split_once('-')?;
            Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
        };
        match read() {
            Some((first, last)) if first >= 1_024 && last > first => Ok(first..=last),
            Some(_) | None => {
                let what = format!("{:?} is no range: write for example \"20000-29999\"", self.ports);
                Err(ConfigError::Value { setting: "media.ports", what })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let config: Config = Figment::from(Serialized::defaults(Config::default()))
            .merge(Toml::string(text))
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        config.check().map(|()| config)
    }

    #[test]
    fn the_defaults_are_valid() {
        assert!(read("").is_ok());
    }

    #[test]
    fn a_listener_is_by_udp_unless_it_says_otherwise() {
        let listener = "[[sip.listeners]]\naddress = \"127.0.0.1:5060\"\nrole = \"public\"\n";
        let config = read(&format!("{listener}{listener}transport = \"tcp\"\n")).unwrap();
        let transports: Vec<_> = config.sip.listeners.iter().map(|listener| listener.transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    }

    #[test]
    fn no_session_timers_may_be_wanted_and_peers_still_have_a_shortest_one() {
        let config = read("[sip]\nsession_expires_s = 0\nmin_se_s = 600").unwrap();
        assert_eq!(config.sip.intervals().unwrap(), SessionIntervals { wanted: 0, min: 600 });
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let error = read("[http]\nlisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
    }

    #[test]
    fn the_log_is_kept_in_segments_unless_told_otherwise() {
        assert_eq!(read("").unwrap().log.engine, LogEngine::Segments);
        assert_eq!(read("[log]\nengine = \"sqlite\"").unwrap().log.engine, LogEngine::Sqlite);
        assert!(read("[log]\nengine = \"paper\"").unwrap_err().to_string().contains("paper"));
    }

    #[test]
    fn a_password_in_the_stores_address_is_shown_nowhere() {
        let config = read("store = \"esdb://strowger:hush@db.example.org:2113\"").unwrap();
        for text in [config.to_toml(), format!("{config:?}")] {
            assert!(text.contains("strowger:***@db.example.org") && !text.contains("hush"), "{text}");
        }
        let error = read("store = \"http://strowger:hush@db.example.org\"").unwrap_err().to_string();
        assert!(error.contains("esdb://") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn sources_that_the_guard_leaves_alone_are_addresses_and_networks() {
        let config = read("[sip.guard]\nexempt = [\"127.0.0.0/8\", \"192.0.2.1\"]").unwrap();
        let settings = config.sip.guard.settings();
        assert_eq!(settings.exempt.len(), 2);
        assert_eq!(read("").unwrap().sip.guard.settings(), domain::exchange::GuardSettings::default());
        assert!(read("[sip.guard]\nexempt = [\"0.0.0.0/0\"]").unwrap_err().to_string().contains("too wide"));
    }

    #[test]
    fn a_value_out_of_range_names_its_setting() {
        for (text, setting) in [
            ("data = \"\"", "data"),
            ("[sip]\nt1_ms = 1", "sip.t1_ms"),
            ("[media]\nports = \"9-1\"", "media.ports"),
            ("[media]\naddress = \"0.0.0.0\"", "media.advertise"),
            ("[sip]\ngather_ms = 1000", "sip.gather_ms"),
            ("[sip]\nmay_wait_ms = 19", "sip.may_wait_ms"),
            ("[sip]\nmay_wait_ms = 401", "sip.may_wait_ms"),
            ("[sip]\nsession_expires_s = 89", "sip.session_expires_s"),
            ("[sip]\nsession_expires_s = 86401", "sip.session_expires_s"),
            ("[sip]\nmin_se_s = 89", "sip.min_se_s"),
            ("[sip]\nmin_se_s = 1801", "sip.min_se_s"),
            ("[sip]\nsession_expires_s = 0\nmin_se_s = 86401", "sip.min_se_s"),
            ("[sip.registrar]\nping_s = 9", "sip.registrar.ping_s"),
            ("[sip]\ndigest = []", "sip.digest"),
            ("[sip]\ndigest = [\"MD5\", \"md5\"]", "sip.digest"),
            ("[sip]\ndigest = [\"SHA-1\"]", "sip.digest"),
            ("[sip.tcp]\nconnections = 9", "sip.tcp.connections"),
            ("[sip.tcp]\nconnections_per_host = 0", "sip.tcp.connections_per_host"),
            ("[sip.tcp]\nidle_s = 29", "sip.tcp.idle_s"),
            ("[http]\nconnections = 9", "http.connections"),
            ("[http]\nconnections_per_host = 0", "http.connections_per_host"),
            ("[sip.guard]\nrequests_per_second = 0", "sip.guard.requests_per_second"),
            ("[sip.guard]\nknown_burst = 1000001", "sip.guard.known_burst"),
            ("[sip.guard]\nfailures = 0", "sip.guard.failures"),
            ("[sip.guard]\nban_s = 86401", "sip.guard.ban_s"),
            ("[sip.guard]\nsources = 99", "sip.guard.sources"),
            ("[log]\nsegment_mib = 0", "log.segment_mib"),
            ("[notary]\nevents = 0", "notary.events"),
            ("[notary]\nevery_s = 3601", "notary.every_s"),
            ("store_password_file = \"x\"", "store_password_file"),
            ("[log.door]\nlisten = \"0.0.0.0:2113\"", "log.door.listen"),
            ("[log.door]\nlisten = \"127.0.0.1:2113\"\nuser = \"x\"", "log.door.user"),
            ("[log.door]\nlisten = \"127.0.0.1:2113\"\nuser = \"x:y\"\npassword_file = \"z\"", "log.door.user"),
            ("[log.door]\nlisten = \"127.0.0.1:2113\"\ntls_key = \"x\"", "log.door.tls_cert"),
            ("[log.door]\nlisten = \"127.0.0.1:2113\"\nconnections = 0", "log.door.connections"),
            ("[[sip.listeners]]\naddress = \"0.0.0.0:5060\"\nrole = \"public\"", "sip.listeners.advertise"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(setting), "{error}");
        }
    }
}

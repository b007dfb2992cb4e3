//! Addresses and names that must fit each other.

use super::{Config, ConfigError, Sip};
use domain::address::Transport;
use domain::domain_name::DomainName;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

impl Config {
    /// That nothing listens twice in one place. Port 0 is another one each time.
    pub(super) fn check_addresses(&self) -> Result<(), ConfigError> {
        let sip = self.sip.listeners.iter().map(|listener| ("sip.listeners", listener.transport, listener.address));
        let door = self.log.door.iter().map(|door| ("log.door.listen", Transport::Tcp, door.listen));
        let all = sip.chain([("http.listen", Transport::Tcp, self.http.listen)]).chain(door);
        let mut taken: BTreeMap<(SocketAddr, bool), &str> = BTreeMap::new();
        for (setting, transport, address) in all.filter(|(_, _, address)| address.port() != 0) {
            if let Some(other) = taken.insert((address, transport == Transport::Tcp), setting) {
                let other = if other == setting { "another of them" } else { other };
                let what = format!("{address} is where {other} listens already: give each a port of its own");
                return Err(ConfigError::Value { setting, what });
            }
        }
        Ok(())
    }
}

impl Sip {
    /// The domain, as it stands in messages: a DNS name in lower case, or an address.
    ///
    /// # Errors
    /// It is neither.
    pub fn domain(&self) -> Result<Option<String>, ConfigError> {
        let Some(domain) = &self.domain else { return Ok(None) };
        let inner = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_v6 = inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
        if is_v6 || domain.parse::<Ipv4Addr>().is_ok() {
            return Ok(Some(domain.clone()));
        }
        let what = |error| format!("{error}, or one alone: 192.0.2.1, [2001:db8::1]");
        let name = domain.parse::<DomainName>().map_err(what);
        name.map(|name| Some(name.to_string())).map_err(|what| ConfigError::Value { setting: "sip.domain", what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Serialized, Toml};

    fn wrong(text: &str) -> String {
        let figment = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(text));
        let config = figment.extract::<Config>().map_err(|error| ConfigError::Unreadable(Box::new(error)));
        config.and_then(|config| config.check()).map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn with_domain(domain: &str) -> Result<Option<String>, ConfigError> {
        Sip { domain: Some(domain.to_owned()), ..Sip::default() }.domain()
    }

    #[test]
    fn the_domain_is_a_name_or_an_address_and_never_part_of_a_header() {
        for (domain, kept) in [
            ("PBX.Example.com.", "pbx.example.com"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(with_domain(domain).unwrap().as_deref(), Some(kept));
        }
        for domain in
            ["", "a b", "a\r\nX: y", "a.example;x=1", "a.example:5060", "2001:db8::1", "<a>", "@", "é.example"]
        {
            let error = with_domain(domain).unwrap_err().to_string();
            assert!(error.starts_with("sip.domain: "), "{error}");
        }
        assert!(wrong("[sip]\ndomain = \"x\\r\\ny\"").starts_with("sip.domain"));
    }

    #[test]
    fn nothing_listens_where_something_listens_already() {
        let listener = "[[sip.listeners]]\naddress = \"127.0.0.1:8080\"\nrole = \"public\"\n";
        let door = "[log.door]\nlisten = \"127.0.0.1:8080\"\n";
        assert!(wrong(&format!("{listener}{listener}")).starts_with("sip.listeners: 127.0.0.1:8080"));
        assert!(wrong(&format!("{listener}transport = \"tcp\"\n")).starts_with("http.listen: 127.0.0.1:8080"));
        assert!(wrong(door).starts_with("log.door.listen: 127.0.0.1:8080 is where http.listen listens"));
        assert_eq!(wrong(listener), "", "UDP and TCP do not meet");
        let any = listener.replace("8080", "0");
        assert_eq!(wrong(&format!("{any}{any}")), "");
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_setting_and_with_an_example() {
        let error = wrong("[http]\nlisten = \"localhost\"");
        assert!(error.contains("http.listen: ") && error.contains("127.0.0.1:8080"), "{error}");
        let error = wrong("[log]\nengine = \"paper\"");
        assert!(error.contains("log.engine: `paper` is none of `segments`, `sqlite`"), "{error}");
        for text in
            ["[http]\nlisen = 1", "[log]\nengine = \"paper\"", "[sip]\nt1_ms = \"x\"", "sip = 1", "[sip.tcp]\nx = 1"]
        {
            let error = wrong(text);
            assert!(!error.contains("default.") && !error.contains("``"), "{error}");
        }
    }
}

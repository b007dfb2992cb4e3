//! The one place where the demo meets the exchange's own start. Everything else knows only addresses and credentials.

use super::DemoError;
use crate::config::{Config, Http, Listener, Sip};
use crate::wiring::{self, FirstAccountSettings, StartError};
use adapters::provisioning::FirstAccount;
use domain::address::{EdgeRole, Transport};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;

/// A running exchange, as an operator knows it.
pub struct Exchange {
    /// Where it receives SIP over UDP from carriers and PBXs, which it knows by address.
    pub sip: SocketAddr,
    /// Where it receives SIP over UDP from phones, which register.
    pub public: SocketAddr,
    /// Base of its HTTP API, without a slash at the end, e.g. `http://127.0.0.1:8080`.
    pub http: String,
    /// User name for the API.
    pub account_sid: String,
    /// Password for the API.
    pub auth_token: String,
    /// Drains and stops it.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Exchange {
    /// Waits until it has drained and stopped.
    pub async fn stop(self) {
        self.stop.await;
    }

    /// Addresses and credentials, one line each.
    pub fn facts(&self) -> [String; 5] {
        [
            format!("SIP (UDP)     {}", self.sip),
            format!("for phones    {}", self.public),
            format!("HTTP API      {}/v1", self.http),
            format!("account sid   {}", self.account_sid),
            format!("auth token    {}", self.auth_token),
        ]
    }
}

/// Starts an exchange on free ports of 127.0.0.1 with its data in `folder` and an account of its own.
pub async fn start_exchange(folder: &Path) -> Result<Exchange, DemoError> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = |role| Listener { address: local(0), advertise: None, role, transport: Transport::Udp };
    let config = Config {
        data: folder.join("data"),
        http: Http { listen: local(0), ..Http::default() },
        sip: Sip { listeners: vec![listener(EdgeRole::Carrier), listener(EdgeRole::Public)], ..Sip::default() },
        ..Config::default()
    };
    let failed = |error: StartError| DemoError::Exchange(error.to_string());
    let running = wiring::start(&config, FirstAccountSettings::default()).await.map_err(failed)?;
    let (FirstAccount::Made { account, secret: Some(secret) }, [sip, public, ..]) =
        (&running.first_account, running.sip.as_slice())
    else {
        return Err(DemoError::Exchange("its data folder has been used before".to_owned()));
    };
    Ok(Exchange {
        sip: sip.address,
        public: public.address,
        http: format!("http://{}", running.http),
        account_sid: account.to_string(),
        auth_token: secret.clone(),
        stop: Box::pin(async move {
            running.drain();
            running.stop().await;
        }),
    })
}

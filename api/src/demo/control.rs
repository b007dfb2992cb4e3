//! A client of the exchange's HTTP API, as any program of a stranger would be.

use super::DemoError;
use super::exchange::Exchange;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for read models to show what the log already holds.
const FRESH: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Most of an answer shown in an error.
const SHOWN: usize = 500;

/// See the module.
#[derive(Debug)]
pub struct Control {
    client: Client,
    base: String,
    user: String,
    password: String,
}

impl Control {
    /// A client with the credentials of `exchange`.
    pub fn new(exchange: &Exchange) -> Self {
        let (user, password) = (exchange.account_sid.clone(), exchange.auth_token.clone());
        Self { client: Client::new(), base: format!("{}/v1", exchange.http), user, password }
    }

    /// Creates a thing and returns it as the API shows it.
    pub async fn create(&self, path: &str, thing: &Value) -> Result<Value, DemoError> {
        let url = self.url(path);
        let request = self.client.post(&url).json(thing);
        let body = self.send("POST", &url, request).await?;
        self.json(url, &body)
    }

    /// What stands at `path`, as text.
    pub async fn text(&self, path: &str) -> Result<String, DemoError> {
        let url = self.url(path);
        let request = self.client.get(&url);
        self.send("GET", &url, request).await
    }

    /// What stands at `path`, as JSON.
    pub async fn get(&self, path: &str) -> Result<Value, DemoError> {
        let body = self.text(path).await?;
        self.json(self.url(path), &body)
    }

    /// Looks at `path` until `found` finds `what` there: read models follow the log at a short distance.
    pub async fn wait_for<T>(
        &self,
        path: &str,
        what: &'static str,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, DemoError> {
        let until = Instant::now() + FRESH;
        loop {
            let answer = self.get(path).await?;
            if let Some(found) = found(&answer) {
                return Ok(found);
            }
            if Instant::now() > until {
                return Err(DemoError::Answer {
                    url: self.url(path),
                    missing: what,
                    body: beginning(&answer.to_string()),
                });
            }
            sleep(LOOK).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn json(&self, url: String, body: &str) -> Result<Value, DemoError> {
        serde_json::from_str(body).map_err(|_| DemoError::Answer {
            url,
            missing: "anything in JSON",
            body: beginning(body),
        })
    }

    async fn send(&self, method: &'static str, url: &str, request: RequestBuilder) -> Result<String, DemoError> {
        let unreachable = |source| DemoError::Unreachable { method, url: url.to_owned(), source };
        let request = request.basic_auth(&self.user, Some(&self.password)).timeout(ANSWER);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.text().await.map_err(unreachable)?;
        match status.is_success() {
            true => Ok(body),
            false => {
                Err(DemoError::Api { method, url: url.to_owned(), status: status.as_u16(), body: beginning(&body) })
            }
        }
    }
}

fn beginning(body: &str) -> String {
    body.chars().take(SHOWN).collect()
}

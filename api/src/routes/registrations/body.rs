//! Bindings as JSON.

use domain::ids::{AccountId, BindingId};
use domain::registration::{Aor, Binding as Was, NewBinding as Wanted, Q, Reach};
use domain::sip::wire::UriBuf;
use projections::registrations::{BindingRow, HistoryRow};
use projections::replay::BindingsAt;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;

/// A binding: one device, or one flow of it. What was erased, or the device did not say, is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Binding {
    /// Its id.
    #[schema(example = "RB0123456789abcdef0123456789abcdef")]
    id: String,
    /// The address of record, by its id: for its history.
    #[schema(example = "RG0123456789abcdef0123456789abcdef")]
    registration: String,
    /// Whose user it is.
    account: String,
    /// The user's domain, by its id; `null` for a trunk.
    domain: Option<String>,
    /// The PBX trunk that registered, by its id; `null` for a user.
    trunk: Option<String>,
    /// The address of record.
    #[schema(example = "alice@pbx.example.com")]
    aor: Option<String>,
    /// The contact's URI as the device sent it.
    contact: Option<String>,
    /// The device by its User-Agent.
    user_agent: Option<String>,
    /// The device by its instance id (RFC 5626).
    instance: Option<String>,
    /// Which of the device's flows it is (RFC 5626).
    reg_id: Option<u32>,
    /// Its priority, 0 to 1.
    q: Option<f64>,
    /// The transport that it came by, e.g. `udp`.
    transport: Option<String>,
    /// The address and port that it came from last.
    address: Option<String>,
    /// Whether it was made by API.
    api: bool,
    /// How calls get there while it is online: by the `flow` that it registered by; by its `contact`, since it has no flow
    /// or that is gone; or not at all, `none`, since it answers nothing.
    reach: String,
    /// `online`; or `unregistered`, `replaced`, `expired`, `flow-lost` or `api` for why it ended.
    state: String,
    /// RFC 3339.
    since: String,
    /// When it was added or refreshed last (RFC 3339).
    refreshed_at: String,
    /// How often it was refreshed; `null` of a time before now.
    refreshes: Option<u64>,
    /// When it expires (RFC 3339); `null` for one without an end.
    expires_at: Option<String>,
    /// RFC 3339.
    ended_at: Option<String>,
    /// From its beginning to its end, milliseconds.
    duration_ms: Option<u64>,
    /// Position of the newest event shown here.
    position: u64,
}

impl Binding {
    pub(super) fn of(row: &BindingRow) -> Self {
        Self {
            id: row.binding.to_string(),
            registration: row.registration.to_string(),
            account: row.account.to_string(),
            domain: row.domain.map(|domain| domain.to_string()),
            trunk: row.trunk.map(|trunk| trunk.to_string()),
            aor: row.aor.clone(),
            contact: row.contact.clone(),
            user_agent: row.user_agent.clone(),
            instance: row.instance.clone(),
            reg_id: row.reg_id,
            q: row.q.map(share),
            transport: row.transport.clone(),
            address: row.address.clone(),
            api: row.api,
            reach: row.reach.clone(),
            state: row.state().to_owned(),
            since: row.since.to_string(),
            refreshed_at: row.refreshed_at.to_string(),
            refreshes: Some(row.refreshes),
            expires_at: row.expires_at.map(|at| at.to_string()),
            ended_at: row.ended_at.map(|at| at.to_string()),
            duration_ms: row.lasted().and_then(|span| u64::try_from(span.as_millis()).ok()),
            position: row.position.0,
        }
    }
}

impl Binding {
    /// As it was at a time when it held: what its device said then, as far as that was not erased.
    pub(super) fn then(row: &BindingRow, then: &BindingsAt) -> Self {
        let was = then.state.binding(row.binding);
        let device = was.map(|was| &was.device);
        let flow = device.and_then(|device| device.flow);
        Self {
            contact: device.map(|device| device.contact.to_string()),
            user_agent: device.and_then(|device| device.user_agent.as_deref()).map(str::to_owned),
            instance: device.and_then(|device| device.instance.as_deref()).map(str::to_owned),
            reg_id: was.and_then(|was| was.reg_id),
            q: was.and_then(|was| was.q).map(share),
            transport: flow.map(|flow| flow.transport.via_name().to_ascii_lowercase()),
            address: flow.map(|flow| flow.remote.to_string()),
            reach: was.map_or("none", |was| reach_name(was)).to_owned(),
            state: "online".to_owned(),
            refreshed_at: was.map_or(row.since, |was| was.refreshed).to_string(),
            refreshes: None,
            expires_at: was.and_then(|was| was.until).map(|at| at.to_string()),
            ended_at: None,
            duration_ms: None,
            position: then.position.0,
            ..Self::of(row)
        }
    }
}

/// What has no flow is reached by its contact.
const fn reach_name(was: &Was) -> &'static str {
    match was.reach {
        Reach::Flow if was.device.flow.is_none() => "contact",
        Reach::Flow => "flow",
        Reach::Contact => "contact",
        Reach::Nowhere => "none",
    }
}

fn share(q: Q) -> f64 {
    f64::from(q.thousandths()) / 1_000.0
}

/// One thing that happened to a binding.
#[derive(Debug, Serialize, ToSchema)]
pub struct Happened {
    /// Position of its event.
    position: u64,
    /// RFC 3339.
    at: String,
    /// Which binding.
    binding: String,
    /// `added`, `moved` (another address or contact), `reach` (calls get there by another way) or `removed`.
    what: &'static str,
    /// Why it was removed: `unregistered`, `replaced`, `expired`, `flow-lost` or `api`. Of `reach`, the way:
    /// `flow`, `contact` or `none`.
    cause: Option<String>,
    /// The contact's URI from then on.
    contact: Option<String>,
    /// The device's User-Agent.
    user_agent: Option<String>,
    /// The transport that it came by.
    transport: Option<String>,
    /// The address and port that it came from.
    address: Option<String>,
}

impl Happened {
    pub(super) fn of(row: &HistoryRow) -> Self {
        Self {
            position: row.position.0,
            at: row.at.to_string(),
            binding: row.binding.to_string(),
            what: row.what.name(),
            cause: row.cause.clone(),
            contact: row.contact.clone(),
            user_agent: row.user_agent.clone(),
            transport: row.transport.clone(),
            address: row.address.clone(),
        }
    }
}

/// A binding to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    /// The address of record: `user@domain`, of one of the account's domains.
    #[schema(value_type = String, example = "alice@pbx.example.com")]
    aor: Aor,
    /// Where the user can be reached: a `sip:` or `sips:` URI.
    #[schema(value_type = String, example = "sip:alice@192.0.2.10:5060")]
    contact: UriBuf,
    /// Its priority, 0 to 1, in thousandths; the highest by default.
    #[serde(default, deserialize_with = "priority")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    q: Option<Q>,
    /// How long it holds, in seconds, within the domain's limits; without it, until it is removed.
    #[serde(default)]
    expires: Option<u32>,
}

fn priority<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Q>, D::Error> {
    let Some(share) = Option::<f64>::deserialize(d)? else { return Ok(None) };
    let thousandths = (share * 1_000.0).round();
    if !(0.0..=1_000.0).contains(&thousandths) {
        return Err(D::Error::custom("expected 0 to 1"));
    }
    // In range: it was just seen to be.
    Q::try_from(thousandths as u16).map(Some).map_err(D::Error::custom)
}

impl NewBinding {
    pub(super) const fn aor(&self) -> &Aor {
        &self.aor
    }

    pub(super) fn split(self) -> (Aor, Wanted) {
        let Self { aor, contact, q, expires } = self;
        (aor, Wanted { contact, q, expires })
    }
}

/// A binding that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoundBinding {
    /// Its id.
    #[schema(example = "RB0123456789abcdef0123456789abcdef")]
    id: String,
    /// Whose user it is.
    account: String,
    /// The address of record.
    aor: String,
    /// Where the user can be reached.
    contact: String,
    /// Its priority, 0 to 1.
    q: Option<f64>,
    /// How long it holds, in seconds; `null`: until it is removed.
    expires: Option<u32>,
}

impl BoundBinding {
    pub(super) fn of(id: BindingId, account: AccountId, aor: &Aor, wanted: &Wanted) -> Self {
        Self {
            id: id.to_string(),
            account: account.to_string(),
            aor: aor.to_string(),
            contact: wanted.contact.to_string(),
            q: wanted.q.map(share),
            expires: wanted.expires,
        }
    }
}

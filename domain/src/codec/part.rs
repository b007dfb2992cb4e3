//! One event's JSON: its clear fields, and one member `sealed` for what is personal.

use super::personal::Personal;
use super::seal::{KeyRef, SealError, SealKey, key_of};
use super::upcast::{self, Upcaster};
use crate::address::{Flow, Transport};
use crate::ids::EventId;
use crate::ports::Keyring;
use crate::registration::{Device, StatedTable};
use crate::session::event::{Carried, Parties, Target, Wire};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::net::{IpAddr, SocketAddr};

/// An event ready for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Stable type name.
    pub kind: &'static str,
    /// Version of the shape.
    pub version: u16,
    /// JSON.
    pub data: Bytes,
}

/// Why a stored event could not be read. Readers stop at it: skipping would be lying.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer build, or not by us.
    #[error("event type {kind} version {version} is unknown to this build: upgrade the reader")]
    Unknown {
        /// The type name.
        kind: String,
        /// The version.
        version: u16,
    },
    /// Not the JSON its type promises.
    #[error("event of type {kind} cannot be read: {what}")]
    Malformed {
        /// The type name.
        kind: String,
        /// What is wrong.
        what: String,
    },
    /// Its sealed part was altered.
    #[error("event of type {kind}: {source}")]
    Sealed {
        /// The type name.
        kind: String,
        /// What is wrong.
        source: SealError,
    },
}

/// A personal part as the bytes that are sealed.
pub(super) trait PersonalPart: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Option<Self>;
}

fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail, and none of our types has a key that is not a string.
    let _ = serde_json::to_writer(out, value);
}

impl PersonalPart for Parties {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for Carried {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for Vec<Target> {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for Device {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for StatedTable {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl PersonalPart for SocketAddr {
    fn write(&self, out: &mut Vec<u8>) {
        write_json(self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Transport, our address, the peer's, and then the message's bytes untouched. It is written twice a message on the call
/// path: no text.
impl PersonalPart for Wire {
    fn write(&self, out: &mut Vec<u8>) {
        write_flow(self.flow, out);
        out.extend_from_slice(&self.bytes);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (flow, rest) = read_flow(bytes)?;
        Some(Self { flow, bytes: Bytes::copy_from_slice(rest) })
    }
}

impl PersonalPart for Flow {
    fn write(&self, out: &mut Vec<u8>) {
        write_flow(*self, out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        read_flow(bytes).filter(|(_, rest)| rest.is_empty()).map(|(flow, _)| flow)
    }
}

fn write_flow(flow: Flow, out: &mut Vec<u8>) {
    let Flow { transport, local, remote } = flow;
    out.push(match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
    });
    write_address(local, out);
    write_address(remote, out);
}

fn read_flow(bytes: &[u8]) -> Option<(Flow, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let transport = match first {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        _ => return None,
    };
    let (local, rest) = read_address(rest)?;
    let (remote, rest) = read_address(rest)?;
    Some((Flow { transport, local, remote }, rest))
}

/// The key that an event's sealed part names; `None` where nothing in it is sealed.
pub fn key_named_in(data: &[u8]) -> Option<KeyRef> {
    let member: SealedMember<'_> = serde_json::from_slice(data).ok()?;
    key_of(&BASE64.decode(member.sealed?).ok()?).ok()
}

/// 4 or 6, the address and the port, big endian.
fn write_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (ip, rest): (IpAddr, &[u8]) = match bytes.split_first()? {
        (4, rest) => rest.split_first_chunk::<4>().map(|(ip, rest)| ((*ip).into(), rest))?,
        (6, rest) => rest.split_first_chunk::<16>().map(|(ip, rest)| ((*ip).into(), rest))?,
        (_, _) => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), rest))
}

/// Where events are written before they are cut to their size: one for all sessions of a shard, so that what stays in
/// memory has no room to spare.
#[derive(Debug, Default)]
pub struct Desk {
    json: Vec<u8>,
    sealed: Vec<u8>,
    hashed: Vec<u8>,
}

impl Desk {
    /// Room for the facts that a hash covers.
    pub const fn hashed(&mut self) -> &mut Vec<u8> {
        &mut self.hashed
    }
}

/// The one place an event of this build becomes JSON.
pub(super) struct Sealer<'a> {
    pub id: EventId,
    pub key: KeyRef,
    pub secret: &'a SealKey,
    pub desk: &'a mut Desk,
}

impl Sealer<'_> {
    pub(super) fn encode<P: PersonalPart>(
        &mut self,
        (kind, version): (&'static str, u16),
        event: &impl Serialize,
        personal: Option<&Personal<P>>,
    ) -> Encoded {
        self.desk.json.clear();
        write_json(event, &mut self.desk.json);
        if let Some(Personal::Known(part)) = personal {
            self.append_sealed(kind, part);
        }
        Encoded { kind, version, data: Bytes::copy_from_slice(&self.desk.json) }
    }

    fn append_sealed(&mut self, kind: &str, part: &impl PersonalPart) {
        let Desk { json: data, sealed, .. } = &mut *self.desk;
        sealed.clear();
        self.secret.seal_into(sealed, self.key, self.id, kind, |out| part.write(out));
        data.pop();
        data.extend_from_slice(if data.len() > 1 { b",\"sealed\":\"" } else { b"\"sealed\":\"" });
        let start = data.len();
        data.resize(start + sealed.len().div_ceil(3) * 4, 0);
        let written = BASE64.encode_slice(&*sealed, &mut data[start..]).unwrap_or(0);
        data.truncate(start + written);
        data.extend_from_slice(b"\"}");
    }
}

#[derive(Deserialize)]
struct SealedMember<'a> {
    #[serde(borrow)]
    sealed: Option<&'a str>,
}

/// The one place a stored event is read.
pub(super) struct Opener<'a> {
    pub id: EventId,
    pub kind: &'a str,
    /// Version of the shape that `data` has.
    pub version: u16,
    pub data: &'a [u8],
    /// `None` where nobody asks for what is sealed: it stays a mask, unopened.
    pub keyring: Option<&'a dyn Keyring>,
    /// What there is to read older versions with.
    pub upcasters: &'a [Upcaster],
    /// The steps that `data` has taken already; what is sealed has them before it.
    pub taken: &'a [&'a Upcaster],
}

impl Opener<'_> {
    /// Reads a type that has this version now: straight, or where an earlier build wrote it, through its upcasters.
    pub(super) fn read<T>(
        &self,
        current: u16,
        read: impl Fn(&Opener<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.version == current {
            return read(self);
        }
        let steps = upcast::chain(self.upcasters, self.kind, self.version, current).ok_or_else(|| self.unknown())?;
        let data = upcast::lift(&steps, self.data).map_err(|what| self.malformed(&what))?;
        read(&Opener { version: current, data: &data, taken: &steps, ..*self })
    }

    pub(super) fn clear<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_slice(self.data).map_err(|error| self.malformed(&error.to_string()))
    }

    pub(super) fn personal<P: PersonalPart>(&self) -> Result<Personal<P>, DecodeError> {
        let Some(keyring) = self.keyring else { return Ok(Personal::Masked) };
        let member: SealedMember<'_> =
            serde_json::from_slice(self.data).map_err(|error| self.malformed(&error.to_string()))?;
        let Some(text) = member.sealed else { return Ok(Personal::Masked) };
        let sealed = BASE64.decode(text).map_err(|error| self.malformed(&error.to_string()))?;
        let broken = |source| DecodeError::Sealed { kind: self.kind.to_owned(), source };
        let Some(key) = keyring.key(key_of(&sealed).map_err(broken)?) else { return Ok(Personal::Masked) };
        let plain = key.open(self.id, self.kind, &sealed).map_err(broken)?;
        let plain = upcast::lift_sealed(self.taken, plain).map_err(|what| self.malformed(&what))?;
        P::read(&plain).map(Personal::Known).ok_or_else(|| self.malformed("the sealed part has another shape"))
    }

    pub(super) fn unknown(&self) -> DecodeError {
        DecodeError::Unknown { kind: self.kind.to_owned(), version: self.version }
    }

    pub(super) fn malformed(&self, what: &str) -> DecodeError {
        DecodeError::Malformed { kind: self.kind.to_owned(), what: what.to_owned() }
    }
}

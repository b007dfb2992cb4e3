//! What happens in the demo: provision, call, talk, hold, resume, hang up, read the history.

use super::DemoError;
use super::audio::correlation::best_match;
use super::audio::{FRAME, seconds, wav};
use super::control::Control;
use super::exchange::Exchange;
use super::history;
use super::phone::media::{Counters, Segment};
use super::phone::{Phone, PhoneCall, PhoneError};
use super::screen::Screen;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The number that the carrier dials.
pub const NUMBER: &str = "+14155550123";
/// Likeness from which a recording counts as what the other said. Unrelated voices stay below 0.3.
const ALIKE: f64 = 0.95;
/// Steps of 20 ms in which packets sent before a change still arrive.
const SETTLE: u64 = 10;
/// Percentage of the packets sent that must arrive.
const NEARLY_ALL: u64 = 98;
/// Longest time that a packet may take from phone to phone on a busy machine.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// How long the parts last, in steps of 20 ms.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Each of the two talks.
    pub talk: u64,
    /// The hold between them.
    pub hold: u64,
}

impl Default for Pace {
    /// Four seconds, two and a half, four.
    fn default() -> Self {
        Self { talk: 200, hold: 125 }
    }
}

/// Who takes part.
pub struct Stage<'a> {
    /// The exchange, known by its addresses.
    pub exchange: &'a Exchange,
    /// The phone that calls.
    pub carrier: Phone,
    /// The phone that answers.
    pub pbx: Phone,
    /// The phone that registers.
    pub desk: Phone,
    /// Where recordings go.
    pub folder: &'a Path,
    /// How long it all takes.
    pub pace: Pace,
}

/// Plays the whole demo and returns the session's id. Checks that fail are counted by `screen`.
pub async fn tell(stage: &mut Stage<'_>, screen: &mut Screen) -> Result<String, DemoError> {
    let control = Control::new(stage.exchange);
    provision(stage, &control, screen).await?;
    let (carrier, pbx) = connect(stage, screen).await?;
    let mut talk = Talk::new(carrier, pbx, "pbx");
    screen.step("Both talk")?;
    talk.speak(stage.pace.talk, screen).await?;
    screen.step("The PBX puts the carrier on hold")?;
    talk.hold(stage.pace.hold, screen).await?;
    screen.step("The PBX resumes, both talk again")?;
    let asked = Instant::now();
    talk.pbx.resume().await?;
    screen.note(&format!("resumed after {}", since(asked)))?;
    talk.speak(stage.pace.talk, screen).await?;
    screen.step("The carrier hangs up")?;
    let ending = talk.carrier.hang_up().await?;
    let other = talk.pbx.over().await?;
    screen.note(&format!("carrier: {ending:?}, PBX: {other:?}"))?;
    let sent = talk.sent();
    talk.keep(stage.folder, screen)?;
    history::show(&control, sent, screen).await
}

async fn provision(stage: &Stage<'_>, control: &Control, screen: &mut Screen) -> Result<(), DemoError> {
    screen.step("Provision it over its HTTP API")?;
    for (name, phone) in [("carrier", &stage.carrier), ("pbx", &stage.pbx)] {
        let address = phone.address();
        let trunk = json!({
            "name": name, "kind": name, "addresses": [address.to_string()], "destination": format!("sip:{address}"),
            "prefixes": [], "priority": 1, "media_source": "sdp",
        });
        let made = control.create("/trunks", &trunk).await?;
        screen.note(&format!("trunk  {name:<12} {}  {address}", id(&made)))?;
    }
    let target = format!("sip:reception@{}", stage.pbx.address());
    let made = control.create("/numbers", &json!({ "number": NUMBER, "target": { "sip": target } })).await?;
    screen.note(&format!("number {NUMBER} {}  to {target}", id(&made)))?;
    Ok(())
}

async fn connect(stage: &mut Stage<'_>, screen: &mut Screen) -> Result<(PhoneCall, PhoneCall), DemoError> {
    screen.step(&format!("The carrier calls {NUMBER}"))?;
    let dialled = Instant::now();
    let sip = stage.exchange.sip;
    let outgoing = stage.carrier.call(&format!("sip:{NUMBER}@{sip}"), sip).await?;
    let incoming = tokio::select! {
        incoming = stage.pbx.next_call() => incoming?,
        error = outgoing.fails("the PBX phone to ring") => return Err(error.into()),
    };
    screen.note(&format!("the PBX phone rings after {}", since(dialled)))?;
    outgoing.ringing().await?;
    screen.note(&format!("the carrier hears of it after {}", since(dialled)))?;
    let answered = Instant::now();
    tokio::try_join!(incoming.answer(), outgoing.talking())?;
    screen.note(&format!("the PBX answers; both sides are connected {} later", since(answered)))?;
    let strangers = outgoing.call_id() != incoming.call_id();
    screen.note(match strangers {
        true => "two dialogs, each with a Call-ID of its own: neither side learns about the other",
        false => "one dialog from end to end",
    })?;
    Ok((outgoing, incoming))
}

/// The call from its answer on.
pub(super) struct Talk {
    pub(super) carrier: PhoneCall,
    pub(super) pbx: PhoneCall,
    /// Who talks with the carrier.
    other: &'static str,
    /// What the carrier and the PBX heard from the beginning.
    heard: [Vec<i16>; 2],
    /// Their counters at the last [`Talk::take`].
    before: [Counters; 2],
}

impl Talk {
    pub(super) fn new(carrier: PhoneCall, pbx: PhoneCall, other: &'static str) -> Self {
        Self { carrier, pbx, other, heard: [Vec::new(), Vec::new()], before: [Counters::default(); 2] }
    }

    /// Waits until what was said before has arrived, and counts from there.
    pub(super) async fn begin(&mut self, screen: &mut Screen) -> Result<(), DemoError> {
        self.pass(SETTLE, "the line settles", screen).await?;
        let _ = self.take();
        Ok(())
    }

    pub(super) async fn speak(&mut self, frames: u64, screen: &mut Screen) -> Result<(), DemoError> {
        self.pass(frames, "both talk", screen).await?;
        let complete = self.catch_up().await;
        let [carrier, pbx] = self.take();
        let other = self.other;
        check_heard(&format!("carrier heard {other}"), &carrier, &pbx, complete[0], screen)?;
        check_heard(&format!("{other} heard carrier"), &pbx, &carrier, complete[1], screen)
    }

    async fn hold(&mut self, frames: u64, screen: &mut Screen) -> Result<(), DemoError> {
        let asked = Instant::now();
        self.pbx.hold().await?;
        let directions = (self.pbx.status().direction.attribute(), self.carrier.status().direction.attribute());
        screen.note(&format!("agreed after {}: pbx is {}, carrier is {}", since(asked), directions.0, directions.1))?;
        screen.check(directions == ("sendonly", "recvonly"), "both ends know their direction")?;
        self.pass(SETTLE, "the line settles", screen).await?;
        let _ = self.take();
        self.pass(frames, "hold music", screen).await?;
        let [complete, _] = self.catch_up().await;
        let [carrier, pbx] = self.take();
        let silent = pbx.packets_heard == 0 && carrier.packets_sent == 0;
        let (over, packets) = (seconds(pbx.said.len()), pbx.packets_heard);
        screen.check(silent, &format!("pbx heard nothing over {over:.1} s, {packets} packets"))?;
        check_heard("carrier heard the hold music", &carrier, &pbx, complete, screen)
    }

    /// Waits until the carrier and the PBX have heard nearly all that the other has sent since the last [`Talk::take`].
    /// `false` for the one who does not, although there was time.
    async fn catch_up(&self) -> [bool; 2] {
        let [carrier, pbx] = self.calls().map(PhoneCall::media);
        let sent = |now: Counters, before: Counters| (now.sent - before.sent) * NEARLY_ALL / 100;
        let targets = [
            self.before[0].heard + sent(pbx.counters(), self.before[1]),
            self.before[1].heard + sent(carrier.counters(), self.before[0]),
        ];
        let carrier = timeout(IN_FLIGHT, carrier.until(|counters| counters.heard >= targets[0]));
        let pbx = timeout(IN_FLIGHT, pbx.until(|counters| counters.heard >= targets[1]));
        let (carrier, pbx) = tokio::join!(carrier, pbx);
        [carrier, pbx].map(|in_time| in_time.is_ok_and(|reached| reached))
    }

    fn calls(&self) -> [&PhoneCall; 2] {
        [&self.carrier, &self.pbx]
    }

    /// Waits for both audio clocks.
    async fn pass(&self, frames: u64, what: &str, screen: &mut Screen) -> Result<(), DemoError> {
        let start = self.calls().map(|call| call.media().counters().frames);
        for done in 0..frames {
            let time = |frames: u64| seconds(frames as usize * FRAME);
            screen
                .progress(done as f64 / frames as f64, &format!("{what} {:.1} of {:.1} s", time(done), time(frames)))?;
            for (call, start) in self.calls().iter().zip(start) {
                if !call.media().until(|counters| counters.frames > start + done).await {
                    return Err(PhoneError::Off("demo's".to_owned()).into());
                }
            }
        }
        Ok(())
    }

    /// What passed since the last call of this, at the carrier and at the PBX.
    fn take(&mut self) -> [Segment; 2] {
        self.before = self.calls().map(|call| call.media().counters());
        let segments = self.calls().map(|call| call.media().take_segment());
        for (heard, segment) in self.heard.iter_mut().zip(&segments) {
            let start = heard.len();
            heard.extend_from_slice(&segment.heard);
            // Silence where nothing came, so that the recording lasts as long as the call.
            heard.resize(heard.len().max(start + segment.said.len()), 0);
        }
        segments
    }

    fn sent(&self) -> [u64; 2] {
        self.calls().map(|call| call.media().counters().sent)
    }

    fn keep(mut self, folder: &Path, screen: &mut Screen) -> Result<(), DemoError> {
        let _ = self.take();
        for (name, heard) in ["carrier", "pbx"].iter().zip(&self.heard) {
            let path = folder.join(format!("{name}-heard.wav"));
            wav::write(&path, heard).map_err(|source| DemoError::Folder { path: path.clone(), source })?;
            screen.note(&format!("recorded {} ({:.1} s)", path.display(), seconds(heard.len())))?;
        }
        Ok(())
    }
}

/// All that the other said, and nothing else. `complete` tells whether enough packets came.
fn check_heard(
    what: &str,
    listener: &Segment,
    speaker: &Segment,
    complete: bool,
    screen: &mut Screen,
) -> Result<(), DemoError> {
    let found = best_match(&listener.heard, &speaker.said);
    let (likeness, over, packets) = (found.coefficient, seconds(found.compared), listener.packets_heard);
    let missing = if complete { String::new() } else { format!(" of {}", speaker.packets_sent) };
    let verdict = format!("{what}: {likeness:.3} over {over:.1} s, {packets}{missing} packets");
    Ok(screen.check(likeness >= ALIKE && complete, &verdict)?)
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap_or("-")
}

pub(super) fn since(start: Instant) -> String {
    format!("{:.1} ms", start.elapsed().as_secs_f64() * 1000.0)
}

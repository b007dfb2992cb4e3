//! What happens next in the demo: a desk phone registers, is called by a number, and transfers its caller to the PBX.

use super::DemoError;
use super::control::Control;
use super::history;
use super::phone::{Account, PhoneError};
use super::screen::Screen;
use super::story::{NUMBER, Stage, Talk, since};
use serde_json::{Value, json};
use std::time::Instant;

/// The number of the desk phone.
const DESK_NUMBER: &str = "+14155550124";
/// Where the desk phone registers.
const DOMAIN: &str = "desks.example";
const USER: &str = "reception";
/// Of a user that exists while the demo runs, in an exchange that only this machine reaches.
const PASSWORD: &str = "an-example-is-no-secret";

/// Plays it. `before` is the session of the first call. Checks that fail are counted by `screen`.
pub async fn tell(stage: &mut Stage<'_>, before: &str, screen: &mut Screen) -> Result<(), DemoError> {
    let control = Control::new(stage.exchange);
    screen.step("A desk phone registers")?;
    register(stage, &control, screen).await?;
    screen.step(&format!("The carrier calls {DESK_NUMBER}, both talk"))?;
    let mut talk = connect(stage, screen).await?;
    talk.begin(screen).await?;
    talk.speak(stage.pace.talk, screen).await?;
    screen.step("The desk phone transfers the carrier to the PBX, both talk")?;
    let mut talk = transfer(stage, talk, screen).await?;
    talk.begin(screen).await?;
    talk.speak(stage.pace.talk, screen).await?;
    screen.step("The carrier hangs up")?;
    let ending = talk.carrier.hang_up().await?;
    let other = talk.pbx.over().await?;
    screen.note(&format!("carrier: {ending:?}, PBX: {other:?}"))?;
    screen.step("The exchange tells what happened")?;
    history::show_transfer(&control, before, screen).await
}

async fn register(stage: &Stage<'_>, control: &Control, screen: &mut Screen) -> Result<(), DemoError> {
    control.create("/domains", &json!({ "name": DOMAIN })).await?;
    let credential = json!({ "domain": DOMAIN, "username": USER, "password": PASSWORD });
    control.create("/credentials", &credential).await?;
    let target = format!("sip:{USER}@{DOMAIN}");
    control.create("/numbers", &json!({ "number": DESK_NUMBER, "target": { "sip": target } })).await?;
    screen.note(&format!("domain {DOMAIN}, user {USER}, number {DESK_NUMBER} to {target}"))?;
    let uri = format!("sip:{DOMAIN}");
    let domain = rsip::Uri::try_from(uri.as_str()).map_err(|source| PhoneError::Uri { uri, source })?;
    let account = Account { domain, user: USER.to_owned(), password: PASSWORD.to_owned() };
    let asked = Instant::now();
    stage.desk.register(account, stage.exchange.public).await?;
    screen.note(&format!("registered with a password after {}", since(asked)))?;
    let address = stage.desk.address().to_string();
    let path = format!("/registrations?domain={DOMAIN}&online=1");
    let bound = |answer: &Value| answer["items"][0]["address"].as_str().map(str::to_owned);
    let known = control.wait_for(&path, "a registration", bound).await?;
    screen.check(known == address, &format!("the exchange knows where {USER} is: {known}"))?;
    Ok(())
}

async fn connect(stage: &mut Stage<'_>, screen: &mut Screen) -> Result<Talk, DemoError> {
    let (sip, dialled) = (stage.exchange.sip, Instant::now());
    let outgoing = stage.carrier.call(&format!("sip:{DESK_NUMBER}@{sip}"), sip).await?;
    let incoming = tokio::select! {
        incoming = stage.desk.next_call() => incoming?,
        error = outgoing.fails("the desk phone to ring") => return Err(error.into()),
    };
    screen.note(&format!("the desk phone rings after {}", since(dialled)))?;
    tokio::try_join!(incoming.answer(), outgoing.talking())?;
    Ok(Talk::new(outgoing, incoming, "desk"))
}

async fn transfer(stage: &mut Stage<'_>, talk: Talk, screen: &mut Screen) -> Result<Talk, DemoError> {
    let Talk { carrier, pbx: desk, .. } = talk;
    let asked = Instant::now();
    let target = format!("sip:{NUMBER}@{DOMAIN}");
    let picks_up = async {
        let incoming = stage.pbx.next_call().await?;
        incoming.answer().await?;
        Ok(incoming)
    };
    let ((), incoming) = tokio::try_join!(desk.transfer(&target), picks_up)?;
    screen.note(&format!("the desk phone is told of success after {}", since(asked)))?;
    let ending = desk.over().await?;
    screen.note(&format!("desk phone: {ending:?}"))?;
    Ok(Talk::new(carrier, incoming, "pbx"))
}

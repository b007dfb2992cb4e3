//! What the owner of a phone does with a call.

use super::call::{Audio, Ending, Phase, Status};
use super::endpoint::Command;
use super::media::Media;
use super::{Direction, PATIENCE, PhoneError};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// One call of a phone. Dropping it silences the call but does not end it.
#[derive(Debug)]
pub struct PhoneCall {
    pub(super) phone: String,
    pub(super) call_id: String,
    pub(super) other: String,
    pub(super) status: watch::Receiver<Status>,
    pub(super) media: Media,
    pub(super) commands: mpsc::Sender<Command>,
}

impl PhoneCall {
    /// Call-ID of this phone's dialog.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// User part of the other end's URI.
    pub fn other(&self) -> &str {
        &self.other
    }

    /// Its audio.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Waits until `reached` is true of the call, at most ten seconds.
    pub async fn until(
        &self,
        awaited: &'static str,
        mut reached: impl FnMut(&Status) -> bool,
    ) -> Result<Status, PhoneError> {
        let mut status = self.status.clone();
        let or_over = |status: &Status| reached(status) || matches!(status.phase, Phase::Ended(_));
        let waited = timeout(PATIENCE, status.wait_for(or_over)).await;
        let now = match waited {
            Ok(Ok(now)) => *now,
            Ok(Err(_)) => return Err(PhoneError::Off(self.phone.clone())),
            Err(_) => {
                return Err(PhoneError::TimedOut { phone: self.phone.clone(), awaited, phase: self.status().phase });
            }
        };
        match now.phase {
            Phase::Ended(ending) if !reached(&now) => {
                Err(PhoneError::Ended { phone: self.phone.clone(), awaited, ending })
            }
            Phase::Calling | Phase::Ringing | Phase::Answering | Phase::Talking | Phase::Ended(_) => Ok(now),
        }
    }

    /// Waits until the other end rings.
    pub async fn ringing(&self) -> Result<(), PhoneError> {
        self.until("ringing", |status| status.phase != Phase::Calling).await.map(drop)
    }

    /// Waits until both sides agreed to talk.
    pub async fn talking(&self) -> Result<(), PhoneError> {
        self.until("an answer", |status| status.phase == Phase::Talking).await.map(drop)
    }

    /// Answers, and waits for the caller's ACK.
    pub async fn answer(&self) -> Result<(), PhoneError> {
        self.command(Command::Answer { call_id: self.call_id.clone(), audio: self.audio() }).await?;
        self.until("the caller's ACK", |status| status.phase == Phase::Talking).await.map(drop)
    }

    /// Puts the other end on hold: it hears music, we hear nothing.
    pub async fn hold(&self) -> Result<(), PhoneError> {
        self.modify("hold", Direction::SendOnly).await
    }

    /// Takes the other end back from hold.
    pub async fn resume(&self) -> Result<(), PhoneError> {
        self.modify("resume", Direction::SendRecv).await
    }

    /// Asks the other end to call `target` in our place. Waits until it talks to whom it was asked to call.
    pub async fn transfer(&self, target: &str) -> Result<(), PhoneError> {
        self.command(Command::Transfer { call_id: self.call_id.clone(), target: target.to_owned() }).await?;
        let mut status = self.status.clone();
        let is_told = |status: &Status| status.transfer.is_some_and(|told| told >= 200);
        let told = match timeout(PATIENCE, status.wait_for(is_told)).await {
            Ok(Ok(status)) => status.transfer.unwrap_or_default(),
            Ok(Err(_)) => return Err(PhoneError::Off(self.phone.clone())),
            Err(_) => {
                let awaited = "the outcome of the transfer";
                return Err(PhoneError::TimedOut { phone: self.phone.clone(), awaited, phase: self.status().phase });
            }
        };
        match told {
            200..300 => Ok(()),
            status => Err(PhoneError::Refused { what: "the transfer", status }),
        }
    }

    /// Ends the call: BYE, CANCEL or 603 as its state asks for. Waits until it is over.
    pub async fn hang_up(&self) -> Result<Ending, PhoneError> {
        self.command(Command::HangUp { call_id: self.call_id.clone() }).await?;
        self.over().await
    }

    /// Waits until the call is over.
    pub async fn over(&self) -> Result<Ending, PhoneError> {
        match self.fails("the end of the call").await {
            PhoneError::Ended { ending, .. } => Ok(ending),
            error => Err(error),
        }
    }

    /// Waits for the failure of something that this call does not see itself: its end, or the end of patience.
    pub async fn fails(&self, awaited: &'static str) -> PhoneError {
        match self.until(awaited, |_| false).await {
            Err(error) => error,
            Ok(_) => PhoneError::Off(self.phone.clone()),
        }
    }

    async fn modify(&self, what: &'static str, direction: Direction) -> Result<(), PhoneError> {
        let before = self.status().modifications;
        self.command(Command::Modify { call_id: self.call_id.clone(), direction }).await?;
        let status = self.until("an answer to the re-INVITE", |status| status.modifications != before).await?;
        status.refusal.map_or(Ok(()), |status| Err(PhoneError::Refused { what, status }))
    }

    pub(super) fn audio(&self) -> Audio {
        Audio { rtp: self.media.address(), route: self.media.route() }
    }

    pub(super) async fn command(&self, command: Command) -> Result<(), PhoneError> {
        self.commands.send(command).await.map_err(|_| PhoneError::Off(self.phone.clone()))
    }
}

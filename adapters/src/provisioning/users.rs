//! Domains and their users, and the sealing of what is secret.

use super::order::{Order, unavailable};
use super::{Answer, Provisioning, Unavailable};
use domain::codec::secret::{Sealed, Secret};
use domain::credential::{CredentialCommand, CredentialEvent, CredentialRejection, DigestSecret, Password, Username};
use domain::domain_name::{DomainName, DomainPatch, DomainSettings};
use domain::ids::{AccountId, CredentialId, DomainId, KeyId};
use domain::log::Position;
use domain::trunk::TrunkLogin;

impl Provisioning {
    /// Adds a domain to an account.
    pub async fn add_domain(
        &self,
        account: AccountId,
        name: DomainName,
        settings: DomainSettings,
        by: Option<KeyId>,
    ) -> Answer<(DomainId, Position)> {
        let id = DomainId::from_bits(self.means.bits());
        Ok(self.order(Order::AddDomain { id, account, name, settings, by }).await?.map(|position| (id, position)))
    }

    /// Changes some settings of a domain.
    pub async fn change_domain(&self, id: DomainId, patch: DomainPatch, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::ChangeDomain { id, patch: Box::new(patch), by }).await
    }

    /// Removes a domain that has no credentials.
    pub async fn remove_domain(&self, id: DomainId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::RemoveDomain { id, by }).await
    }

    /// Gives a user of an account's domain a password. What is kept of it is sealed before it goes anywhere.
    pub async fn add_credential(
        &self,
        account: AccountId,
        realm: DomainName,
        username: Username,
        password: &Password,
        by: Option<KeyId>,
    ) -> Answer<(CredentialId, Position)> {
        // Only a known account gets a key: asked about nobody, the writer says so.
        if self.directory.account(account).is_none() {
            return Ok(Err(domain::account::AccountRejection::NotOpen.into()));
        }
        let id = CredentialId::from_bits(self.means.bits());
        let secret = self.digest_secret(account, &realm, &username, password)?;
        let order = Order::AddCredential { id, account, realm, username, secret, by };
        Ok(self.order(order).await?.map(|position| (id, position)))
    }

    /// Gives a credential another password.
    pub async fn change_credential(
        &self,
        id: CredentialId,
        password: &Password,
        by: Option<KeyId>,
    ) -> Answer<Position> {
        let Some(current) = self.directory.credential(id) else {
            return Ok(Err(CredentialRejection::Unknown.into()));
        };
        let secret = self.digest_secret(current.item.account, &current.item.realm, &current.item.username, password)?;
        self.order(Order::Credential { id, command: CredentialCommand::Change { secret, by } }).await
    }

    /// Removes a credential.
    pub async fn remove_credential(&self, id: CredentialId, by: Option<KeyId>) -> Answer<Position> {
        self.order(Order::Credential { id, command: CredentialCommand::Remove { by } }).await
    }

    /// A trunk's user name and password, the password sealed, for its settings.
    ///
    /// # Errors
    /// There is no key to seal with now.
    pub fn trunk_login(
        &self,
        account: AccountId,
        username: Username,
        password: &Password,
    ) -> Result<TrunkLogin, Unavailable> {
        let password = self.seal(account, password, &TrunkLogin::place(&username))?;
        Ok(TrunkLogin { username, password })
    }

    fn digest_secret(
        &self,
        account: AccountId,
        realm: &DomainName,
        username: &Username,
        password: &Password,
    ) -> Result<Sealed<DigestSecret>, Unavailable> {
        let secret = DigestSecret::from_password(username.as_str(), realm.as_str(), password.as_str());
        self.seal(account, &secret, &CredentialEvent::place(realm, username))
    }

    fn seal<T: Secret>(&self, account: AccountId, secret: &T, place: &str) -> Result<Sealed<T>, Unavailable> {
        let key = self.means.secrets_key(account).map_err(unavailable)?;
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.means.bits().to_be_bytes());
        nonce[16..].copy_from_slice(&self.means.bits().to_be_bytes()[..8]);
        Ok(Sealed::seal(secret, &key, nonce, place))
    }
}

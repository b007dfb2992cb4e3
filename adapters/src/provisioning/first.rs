//! The first account: made on the first start, or set by the operator.

use super::{Answer, Order, Provisioning, Unavailable, new_key, order};
use domain::account::{AccountCommand, Name, NewKey, SecretHash};
use domain::ids::{AccountId, KeyId};
use std::str::FromStr;

/// A secret that an operator sets: 16 to 128 visible ASCII characters. It must be random, since it is hashed without a
/// slow hash. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no [`Token`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 16 to 128 visible ASCII characters, random ones")]
pub struct MalformedToken;

impl FromStr for Token {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let legal = (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        legal.then(|| Self(text.to_owned())).ok_or(MalformedToken)
    }
}

impl Token {
    /// The secret itself, to prove with it who one is.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What [`Provisioning::ensure_first_account`] found or made.
#[derive(Clone, PartialEq, Eq)]
pub enum FirstAccount {
    /// It exists.
    Existing(AccountId),
    /// It was made. `secret` is there when it was drawn here: print it now, it is stored nowhere.
    Made {
        /// The account.
        account: AccountId,
        /// Its secret.
        secret: Option<String>,
    },
}

impl std::fmt::Debug for FirstAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Existing(account) => write!(f, "Existing({account})"),
            Self::Made { account, .. } => write!(f, "Made({account}, …)"),
        }
    }
}

/// Name of the key that an operator's token makes.
const CONFIGURED: &str = "configured";

impl Provisioning {
    /// Sees to it that somebody can use the exchange. Where `account` (without it: any account) exists, it is left as
    /// it is; where not, it is opened. A set `token` opens it from now on, by a key named `configured`; a former key of
    /// that name stops opening it. Without a token a new account gets a random one.
    pub async fn ensure_first_account(
        &self,
        account: Option<AccountId>,
        token: Option<&Token>,
    ) -> Answer<FirstAccount> {
        let known = match account {
            Some(account) => self.directory.account(account).map(|listed| listed.item.id),
            None => self.directory.oldest_account(),
        };
        match (known, token) {
            (Some(known), None) => Ok(Ok(FirstAccount::Existing(known))),
            (Some(known), Some(token)) => self.set_token(known, token).await,
            (None, _) => self.open_first(account, token).await,
        }
    }

    async fn open_first(&self, account: Option<AccountId>, token: Option<&Token>) -> Answer<FirstAccount> {
        let account = account.unwrap_or_else(|| AccountId::from_bits(self.means.bits()));
        let drawn = self.new_secret();
        let key = match token {
            Some(token) => configured(token, drawn.key)?,
            None => new_key(&drawn, name("first")?),
        };
        let order = Order::OpenAccount { account, name: name("Main account")?, parent: None, key, by: None };
        let secret = token.is_none().then_some(drawn.secret);
        Ok(self.order(order).await?.map(|_| FirstAccount::Made { account, secret }))
    }

    async fn set_token(&self, account: AccountId, token: &Token) -> Answer<FirstAccount> {
        let keys = self.directory.account(account).map(|listed| listed.item.keys).unwrap_or_default();
        let hash = SecretHash::of(&token.0);
        if keys.iter().any(|key| key.secret_sha256.matches(&hash)) {
            return Ok(Ok(FirstAccount::Existing(account)));
        }
        let key = configured(token, self.new_secret().key)?;
        let issue = Order::Account { account, command: AccountCommand::IssueKey { key, by: None } };
        if let Err(rejection) = self.order(issue).await? {
            return Ok(Err(rejection));
        }
        for former in keys.iter().filter(|key| key.name.as_str() == CONFIGURED) {
            if let Err(rejection) = self.revoke_key(account, former.id, None).await? {
                return Ok(Err(rejection));
            }
        }
        Ok(Ok(FirstAccount::Existing(account)))
    }
}

fn configured(token: &Token, id: KeyId) -> Result<NewKey, Unavailable> {
    Ok(NewKey { id, name: name(CONFIGURED)?, secret_sha256: SecretHash::of(&token.0) })
}

/// Our own names obey the rules of names; should one ever not, that is told, not hidden.
fn name(text: &str) -> Result<Name, Unavailable> {
    text.parse().map_err(order::unavailable)
}

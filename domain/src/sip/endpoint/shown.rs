//! What is in memory, as text: for tests that hold one endpoint against another.

use super::Endpoint;
use crate::ids::LegId;
use crate::sip::dialog::Dialog;
use std::collections::BTreeMap;

impl Endpoint {
    /// Everything in memory by name, for tests: the same for endpoints that differ in the numbers of transactions alone.
    #[doc(hidden)]
    pub fn shown(&self, of: impl Fn(LegId) -> bool) -> BTreeMap<String, String> {
        let mut shown = vec![];
        let dialogs = self.dialogs.iter().filter(|(leg, _)| of(**leg));
        shown.extend(dialogs.map(|(leg, dialog)| {
            // A trunk's password is what it is now.
            let dialog = Dialog { login: None, ..(**dialog).clone() };
            (format!("dialog {leg}"), format!("{dialog:#?}"))
        }));
        let servers = self.servers.iter().filter(|(_, server)| of(server.leg));
        shown.extend(servers.map(|(id, server)| (format!("{id:?}"), format!("{server:#?}"))));
        let clients = self.clients.iter().filter(|(_, client)| of(client.key.leg));
        shown.extend(clients.map(|(id, client)| (format!("{id:?}"), format!("{client:#?}"))));
        shown.extend(self.provisionals.iter().map(|(leg, all)| (format!("provisionals {leg}"), format!("{all:#?}"))));
        shown.extend(self.heard.iter().map(|(leg, all)| (format!("heard {leg}"), format!("{all:#?}"))));
        let armed = self.timers.armed().filter(|(_, timer)| self.leg_of_timer(*timer).is_some_and(&of));
        shown.extend(armed.map(|(at, timer)| (format!("timer {timer:?}"), format!("{at:?}"))));
        shown.into_iter().map(|(of, text)| (self.with_names(of), self.with_names(text))).collect()
    }

    /// A text in which transactions have names in place of numbers, for tests.
    #[doc(hidden)]
    pub fn with_names(&self, text: String) -> String {
        let servers = self.servers.iter().map(|(id, server)| (*id, format!("server {} {}", server.leg, server.key)));
        let clients = self.clients.iter().map(|(id, client)| (*id, format!("client {:?}", client.key)));
        let text = servers.chain(clients).fold(text, |text, (id, name)| text.replace(&format!("{id:?}"), &name));
        // A request that was logged without its credentials is shorter.
        let (mut lines, sized) = (vec![], |line: &str| line.find(" bytes)").and_then(|_| line.find(" …, ")));
        lines.extend(text.lines().map(|line| sized(line).map_or(line, |end| line.get(..end).unwrap_or(line))));
        // Of a transaction that is gone its number alone is left.
        let joined = lines.join("\n");
        let parts: Vec<&str> = joined.split('#').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        parts.iter().map(|part| if is_number(part) { "gone" } else { part }).collect()
    }
}

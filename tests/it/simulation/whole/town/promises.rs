//! What phones are promised, when all is over.

use super::Town;
use crate::simulation::automaton::{Automaton, Manners, Stage};

impl Town {
    /// Nobody who keeps his promises thinks that a call goes on, or thought so when it was over, and who asked for one by
    /// REFER heard what became of it.
    pub(super) fn check_agreement(&mut self) {
        let (lost, ladder) = (self.lost || self.frozen, &self.world.ladder);
        for automaton in self.phones().filter(|automaton| automaton.manners == Manners::Good) {
            let (up, call) = (automaton.stage == Stage::Up, automaton.phone.call_id());
            assert!(lost || !up, "{call} goes on for its phone alone\n{ladder}");
            let over = automaton.hung_up_on_nobody;
            assert!(lost || !over, "{call} was over, and its phone did not hear of it\n{ladder}");
            // What is said by a connection is lost with it.
            let objection = automaton.referrals.objection();
            let objection = objection.filter(|_| !lost && !self.mute && !automaton.by_connection);
            assert_eq!(objection, None, "{call}\n{ladder}");
        }
        let over = |automaton: &&Automaton| automaton.ends_a_call || automaton.heard_bye;
        let replaced = |automaton: &&Automaton| over(automaton) && automaton.replaces.is_some();
        let late = |automaton: &&Automaton| replaced(automaton) && automaton.late_offer;
        let by_refer = |automaton: &&Automaton| automaton.phone.call_id().starts_with("refer-");
        let called_back = self.phones().filter(by_refer).map(|automaton| automaton.referrals.connected()).sum();
        let told = [
            ("agreed", self.phones().filter(over).count()),
            ("replaced", self.phones().filter(replaced).count()),
            ("replaced late", self.phones().filter(late).count()),
            ("called back", called_back),
        ];
        self.seen.extend(told);
    }

    /// Who is known to be down is called where there is no other, and who is not is not passed over.
    pub(super) fn check_routes(&mut self) {
        let routes = self.world.routes();
        for (at, route) in &routes {
            assert_eq!(self.reaches.objection(*at, route), None, "{route:?}\n{}", self.world.ladder);
        }
        let over = routes.iter().flat_map(|(_, route)| &route.passed_over).filter(|over| &*over.reason == "it is down");
        self.seen.extend([("found down", self.reaches.downs()), ("passed over", over.count())]);
    }

    fn phones(&self) -> impl Iterator<Item = &Automaton> {
        self.stations.iter().flat_map(|station| &station.phones)
    }
}

//! Forks, tags, and what an ended dialog keeps.

use super::*;

fn flow(transport: Transport) -> Flow {
    Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), remote: "198.51.100.7:49152".parse().unwrap() }
}

fn hop(transport: Transport, routes: &[&str], target: &str) -> String {
    let routes: Vec<Box<str>> = routes.iter().map(|route| Box::from(*route)).collect();
    let next = next_hop(flow(transport), &routes, target);
    assert_eq!((next.transport, next.local), (transport, flow(transport).local));
    next.remote.to_string()
}

#[test]
fn by_udp_the_route_counts_and_else_a_contact_at_the_host_that_was_heard() {
    let udp = |routes: &[&str], target: &str| hop(Transport::Udp, routes, target);
    assert_eq!(udp(&[], "sip:a@198.51.100.7:5062"), "198.51.100.7:5062");
    assert_eq!(udp(&[], "sip:a@10.0.0.7:5062"), "198.51.100.7:49152");
    assert_eq!(udp(&["<sip:203.0.113.1;lr>"], "sip:a@198.51.100.7:5062"), "203.0.113.1:5060");
}

#[test]
fn by_tcp_the_connection_counts_unless_a_route_names_another_host_by_tcp() {
    let tcp = |routes: &[&str], target: &str| hop(Transport::Tcp, routes, target);
    let connection = "198.51.100.7:49152";
    assert_eq!(tcp(&[], "sip:a@198.51.100.7:5062;transport=tcp"), connection);
    assert_eq!(tcp(&[], "sip:a@x.invalid;transport=ws"), connection);
    assert_eq!(tcp(&["<sip:198.51.100.7:5060;transport=tcp;lr>"], "sip:a@10.0.0.1"), connection);
    assert_eq!(tcp(&["<sip:203.0.113.1;lr>"], "sip:a@10.0.0.1"), connection);
    assert_eq!(tcp(&["<sip:203.0.113.1;lr;Transport=TCP>"], "sip:a@10.0.0.1"), "203.0.113.1:5060");
}

fn dialog() -> Dialog {
    let ends = Ends {
        call_id: "c".into(),
        local: "<sip:a@b>".into(),
        remote: "<sip:desk@198.51.100.7>".into(),
        target: "sip:desk@198.51.100.7".into(),
    };
    let new = Dialog::new(LegId::from_bits(1), Role::Uac, flow(Transport::Udp), ends);
    Dialog { local_cseq: 1, branches: 1, invite_cseq: 1, transactions: 1, ..new }
}

fn hear(dialog: &mut Dialog, tag: &str, headers: &str) {
    let text = format!(
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:desk@198.51.100.7>;tag={tag}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    let response = Message::scan(Bytes::from(text)).unwrap();
    dialog.learn_from_response(&response, flow(Transport::Udp));
}

#[test]
fn each_fork_keeps_its_own_tag_contact_and_route_set() {
    let mut dialog = dialog();
    hear(&mut dialog, "one", "Contact: <sip:1@198.51.100.7:5061>\r\nRecord-Route: <sip:203.0.113.1;lr>\r\n");
    hear(&mut dialog, "two", "Contact: <sip:2@198.51.100.7:5062>\r\n");
    assert_eq!((dialog.remote_tag.as_deref(), &*dialog.target), (Some("two"), "sip:2@198.51.100.7:5062"));
    assert_eq!((dialog.routes.len(), dialog.flow.remote.port()), (0, 5062));
    // It says nothing of its Contact again, nor must another's take its place.
    hear(&mut dialog, "one", "Record-Route: <sip:203.0.113.1;lr>\r\n");
    assert_eq!((dialog.remote_tag.as_deref(), &*dialog.target), (Some("one"), "sip:1@198.51.100.7:5061"));
    assert_eq!(dialog.flow.remote.to_string(), "203.0.113.1:5060");
    assert_eq!(dialog.forks.iter().map(|fork| &*fork.tag).collect::<Vec<_>>(), ["two"]);
}

#[test]
fn no_more_forks_are_kept_than_the_limit() {
    let mut dialog = dialog();
    for fork in 0..20 {
        hear(&mut dialog, &format!("f{fork}"), "Contact: <sip:x@198.51.100.7:5061>\r\n");
    }
    assert_eq!(dialog.forks.len() + 1, MAX_FORKS);
    assert_eq!(dialog.remote_tag.as_deref(), Some("f19"));
    hear(&mut dialog, "f0", "");
    assert_eq!(dialog.remote_tag.as_deref(), Some("f0"));
    assert!(dialog.forks.len() < MAX_FORKS);
}

#[test]
fn an_ended_dialog_keeps_what_requests_need_until_its_last_invite_has_its_ack() {
    let pending = OutgoingInvite {
        transaction: TransactionId(1),
        offers: true,
        takes_reliable: false,
        cancelling: Cancelling::No,
    };
    let slimmed = |state, outgoing, owes_ack| {
        let mut dialog = Dialog { state, outgoing, owes_ack, ..dialog() };
        dialog.slim_if_done();
        dialog.remote.is_empty() && dialog.target.is_empty()
    };
    assert!(!slimmed(DialogState::Confirmed, None, false));
    assert!(!slimmed(DialogState::Over, Some(pending), false));
    assert!(!slimmed(DialogState::Over, None, true));
    assert!(slimmed(DialogState::Over, None, false));
}

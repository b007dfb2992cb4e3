//! Steps in short words. That they run is for `tests/e2e/audit.py`.

use super::*;
use bytes::Bytes;
use domain::address::Transport;

/// `> INVITE 1` is what the caller sends, `< 180 1 INVITE` what it is sent, each so many milliseconds after the one before.
fn heard(script: &[(&str, i64)]) -> Vec<Heard> {
    let flow = Flow {
        transport: Transport::Udp,
        local: "10.0.0.1:5060".parse().unwrap(),
        remote: "10.0.0.2:5062".parse().unwrap(),
    };
    let mut now = 1_000_000;
    let mut messages = Vec::new();
    for (line, after) in script {
        now += after * 1_000;
        let words: Vec<&str> = line.split(' ').collect();
        let way = if words[0] == ">" { Way::Received } else { Way::Sent };
        let (start, cseq, more) = match words[1].parse::<u16>() {
            Ok(status) => (format!("SIP/2.0 {status} So"), format!("{} {}", words[2], words[3]), &words[4..]),
            Err(_) => {
                let start = format!("{} sip:+1555@10.0.0.1:5060 SIP/2.0", words[1]);
                (start, format!("{} {}", words[2], words[1]), &words[3..])
            }
        };
        // A PRACK is of its provisional response, everything else of its CSeq.
        let branch = if words[1] == "BYE" { "z9hG4bKbye" } else { "z9hG4bKfirst" };
        let to = if line.contains("in") { ";tag=ours" } else { "" };
        let more: String = more
            .iter()
            .filter(|word| word.contains(':'))
            .map(|word| format!("{}\r\n", word.replace('_', " ")))
            .collect();
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 10.0.0.2:5062;branch={branch}\r\nFrom: <sip:a@10.0.0.2:5062>;tag=theirs\r\n\
             To: <sip:+1555@10.0.0.1:5060>{to}\r\nCall-ID: 1@a\r\nCSeq: {cseq}\r\nContact: <sip:a@10.0.0.9:1;ob>\r\n{more}\
             Content-Length: 0\r\n\r\n"
        );
        let message = Message::scan(Bytes::from(text)).unwrap();
        messages.push(Heard { at: WallTime::from_micros(now), way, flow, message });
    }
    messages
}

fn told(script: &[(&str, i64)]) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Pause(millis) => format!("pause {millis}"),
        Step::Send { text, repeats, .. } => {
            let again = if *repeats { " again" } else { "" };
            format!("send {}{again}", text.lines().next().unwrap_or_default())
        }
        Step::Expect(expected) => expected.xml().replace("></recv>", ">"),
    };
    steps(&heard(script)).iter().map(word).collect()
}

const FIRST: &str = "send INVITE sip:+1555@[remote_ip]:[remote_port] SIP/2.0 again";

#[test]
fn an_answered_call_is_played_with_its_pauses_and_hung_up_in_its_dialog() {
    let call = [
        ("> INVITE 1", 0),
        ("< 100 1 INVITE", 1),
        ("< 180 1 INVITE in", 300),
        ("< 200 1 INVITE in", 900),
        ("> ACK 1 in", 5),
        ("> BYE 2 in", 4_000),
        ("< 200 2 BYE in", 3),
    ];
    let expected = [
        FIRST,
        "<recv response=\"100\" optional=\"true\">",
        "<recv response=\"180\" optional=\"true\" rrs=\"true\">",
        "<recv response=\"200\" rrs=\"true\">",
        "send ACK [next_url] SIP/2.0",
        "pause 4000",
        "send BYE [next_url] SIP/2.0 again",
        "<recv response=\"200\">",
    ];
    assert_eq!(told(&call), expected);
}

#[test]
fn who_cancels_has_heard_that_it_rings_and_acknowledges_the_failure_in_the_invites_transaction() {
    let call = [
        ("> INVITE 1", 0),
        ("< 100 1 INVITE", 1),
        ("< 180 1 INVITE in", 3),
        ("> CANCEL 1", 2_000),
        ("< 200 1 CANCEL", 1),
        ("< 487 1 INVITE in", 1),
        ("> ACK 1 in", 1),
    ];
    let steps = told(&call);
    assert_eq!(steps[2], "<recv response=\"180\" rrs=\"true\">", "what is acted upon must come");
    assert_eq!(steps[3..5], ["pause 2000", "send CANCEL sip:+1555@[remote_ip]:[remote_port] SIP/2.0 again"]);
    assert_eq!(steps[7], "send ACK sip:+1555@[remote_ip]:[remote_port] SIP/2.0");
    let branches: Vec<String> = super::steps(&heard(&call))
        .iter()
        .filter_map(|step| match step {
            Step::Send { text, .. } => text.lines().find(|line| line.starts_with("Via:")).map(str::to_owned),
            Step::Pause(_) | Step::Expect(_) => None,
        })
        .collect();
    assert!(branches.iter().all(|via| via == &branches[0]) && branches.len() == 3, "{branches:?}");
}

#[test]
fn a_caller_that_came_with_credentials_is_challenged_first_and_answers_once() {
    let call = [
        ("> INVITE 2 Proxy-Authorization:_masked", 0),
        ("< 486 2 INVITE in", 1),
        ("> ACK 2 in Proxy-Authorization:_masked", 1),
    ];
    let steps = super::steps(&heard(&call));
    let sent: Vec<&String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Send { text, .. } => Some(text),
            Step::Pause(_) | Step::Expect(_) => None,
        })
        .collect();
    assert!(sent.iter().all(|text| !text.contains("masked")), "{sent:?}");
    let proofs: Vec<bool> = sent.iter().map(|text| text.contains("[authentication]\n")).collect();
    assert_eq!(proofs, [false, false, true, false]);
    assert!(sent[0].contains("CSeq: 1 INVITE\n") && sent[1].contains("CSeq: 1 ACK\n"), "{sent:?}");
    assert!(sent[1].contains("branch=z9hG4bK-first-") && sent[1].contains("[peer_tag_param]\n"), "{sent:?}");
    assert_eq!(told(&call)[1], "<recv response=\"407\" auth=\"true\">");
}

#[test]
fn an_answer_stands_behind_its_request_though_another_has_come_since() {
    let call = [
        ("> INVITE 1", 0),
        ("< 200 1 INVITE in", 1),
        ("> ACK 1 in", 1),
        ("< UPDATE 1 in", 1),
        ("< BYE 2 in", 50),
        ("> 200 1 UPDATE in", 1),
        ("> 200 2 BYE in", 500),
    ];
    let steps = told(&call);
    let tail = [
        "<recv request=\"UPDATE\">",
        "send SIP/2.0 200 So",
        "<recv request=\"BYE\">",
        "pause 500",
        "send SIP/2.0 200 So",
    ];
    assert_eq!(steps[3..], tail);
}

#[test]
fn what_is_acknowledged_by_prack_must_come_and_names_its_number() {
    let call = [
        ("> INVITE 1", 0),
        ("< 183 1 INVITE in RSeq:_77", 1),
        ("> PRACK 2 in RAck:_77_1_INVITE", 1),
        ("< 200 2 PRACK in", 1),
        ("< 200 1 INVITE in", 1),
        ("> ACK 1 in", 1),
    ];
    let steps = super::steps(&heard(&call));
    let Step::Expect(expected) = &steps[1] else { panic!("{steps:?}") };
    assert!(expected.xml().contains("assign_to=\"rseq_77\"") && !expected.optional);
    let Step::Send { text, .. } = &steps[2] else { panic!("{steps:?}") };
    assert!(text.contains("RAck: [$rseq_77] 1 INVITE\n"), "{text}");
}

#[test]
fn tags_addresses_and_the_call_id_are_sipps_and_the_rest_is_as_recorded() {
    let steps = super::steps(&heard(&[("> INVITE 1 Subject:_a_[b]", 0), ("< 200 1 INVITE in", 1), ("> BYE 2 in", 1)]));
    let Step::Send { text, .. } = &steps[0] else { panic!("{steps:?}") };
    let expected = "INVITE sip:+1555@[remote_ip]:[remote_port] SIP/2.0\n\
        Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-0-[pid]-[call_number]\n\
        From: <sip:a@[local_ip]:[local_port]>;tag=[pid]-[call_number]\nTo: <sip:+1555@[remote_ip]:[remote_port]>\n\
        Call-ID: [call_id]\nCSeq: 1 INVITE\nContact: <sip:a@[local_ip]:[local_port];ob>\nSubject: a \\x5Bb\\x5D\n\
        Content-Length: [len]\n\n";
    assert_eq!(text, expected);
    let Some(Step::Send { text, .. }) = steps.last() else { panic!("{steps:?}") };
    assert!(text.contains("To: <sip:+1555@[remote_ip]:[remote_port]>[peer_tag_param]\n"), "{text}");
}

#[test]
fn whatever_a_caller_writes_every_keyword_is_one_of_ours() {
    let ugly = "INVITE sip:[call_id]@10.0.0.1:5060;x=[pid] SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:5062;branch=z9hG4bK[b]\r\n\
        From: \"[a] \\\\ ]]>\" <sip:a@10.0.0.2:5062>;tag=[t]\r\nTo: <sip:b@10.0.0.1>;x=tag=1\r\nCall-ID: [call_id]@[::1]\r\n\
        CSeq: 1 INVITE\r\nContact: \"]]>\" <sip:[len]@[::1]:9;x=a@b?h=[pid]>;q=[0]\r\nSubject: folded\r\n [field0] \\x5Bpid\\x5D\r\n\
        Content-Type: application/sdp\r\nContent-Length: 78\r\n\r\nv=[0]\r\no=[ [ [ IN IP4 [x]\r\nc=IN IP6 [y]\r\nm=[audio] 4000 [z]\r\na=rtcp:[1]\r\ns=]]></send>\r\n";
    let mut heard = heard(&[("> INVITE 1", 0), ("< 200 1 INVITE in", 1)]);
    heard[0].message = Message::scan(Bytes::from(ugly)).unwrap();
    let steps = super::steps(&heard);
    let Step::Send { text, .. } = &steps[0] else { panic!("{steps:?}") };
    let ours = [
        "remote_ip",
        "remote_port",
        "transport",
        "local_ip",
        "local_port",
        "pid",
        "call_number",
        "call_id",
        "len",
        "media_ip",
        "media_ip_type",
        "media_port",
        "media_port+1",
    ];
    for keyword in text.split('[').skip(1) {
        let (name, _) = keyword.split_once(']').unwrap();
        assert!(ours.contains(&name), "[{name}] in {text}");
    }
    assert!(!text.contains("]]"), "{text}");
    assert_eq!(text.matches(']').count(), text.matches('[').count());
}

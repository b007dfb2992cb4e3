//! The torture messages of RFC 4475 and RFC 5118 against the whole exchange: what comes back on the wire is what the
//! RFCs owe to whoever sent them. Their bytes are not part of this repository; cases of our own run everywhere.

mod own;
mod verdicts;

use domain::address::Flow;
use domain::sip::wire::{HeaderName, Message, Method, validate_request, validate_response};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tests::world::{CARRIER, NUMBER, PBX, Phone, World};

/// What a message is owed.
#[derive(Debug, Clone, Copy)]
enum Owes {
    /// One final answer with one of these statuses; its headers contain these texts.
    Answer(&'static [u16], &'static [(&'static str, &'static str)]),
    /// The call rings the callee and can be answered and ended; the callee's INVITE contains these.
    Routed(&'static [(&'static str, &'static str)]),
    /// Nothing.
    Silence,
}

/// One message, sent once or twice.
#[derive(Debug, Clone, Copy)]
struct Torture {
    section: &'static str,
    name: &'static str,
    /// What is owed to it as it is.
    as_is: Owes,
    /// Where it is an INVITE: what is owed to it with a number in its Request-URI.
    routable: Option<Owes>,
    /// What else is changed for that: first texts, and what stands there instead.
    edits: &'static [(&'static str, &'static str)],
}

type Verdict = Result<(), String>;

fn require(good: bool, wrong: impl FnOnce() -> String) -> Verdict {
    if good { Ok(()) } else { Err(wrong()) }
}

/// Both runs of a message.
fn judge(torture: &Torture, bytes: &[u8]) -> Verdict {
    play(bytes, torture.as_is).map_err(|wrong| format!("as it is: {wrong}"))?;
    match torture.routable {
        Some(owes) => play(&routable(torture, bytes), owes).map_err(|wrong| format!("with a number: {wrong}")),
        None => Ok(()),
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the text to replace is not there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// The message with a number that rings the PBX in its Request-URI; an edit may have put it there.
fn routable(torture: &Torture, bytes: &[u8]) -> Vec<u8> {
    let edited =
        torture.edits.iter().fold(bytes.to_vec(), |bytes, (from, to)| replaced(&bytes, from.as_bytes(), to.as_bytes()));
    let line_end = edited.iter().position(|byte| *byte == b'\n').unwrap();
    let uri = String::from_utf8(edited[..line_end].to_vec()).unwrap();
    let (before, after) = (uri.find("sip:").unwrap(), uri.find('@').unwrap());
    if uri[before..after].contains('%') {
        return edited;
    }
    replaced(&edited, &uri.as_bytes()[before..=after], format!("sip:{NUMBER}@").as_bytes())
}

/// One message, one world.
fn play(bytes: &[u8], owes: Owes) -> Verdict {
    let mut world = World::default();
    let from: SocketAddr = CARRIER.parse().unwrap();
    world.send(from, bytes.to_vec().into());
    match owes {
        Owes::Silence => require(world.sent().is_empty(), || format!("something was said\n{}", world.ladder))?,
        Owes::Answer(statuses, contents) => answered(&world, bytes, statuses, contents)?,
        Owes::Routed(contents) => {
            let invite = world.next_for(PBX.parse().unwrap());
            let invite = invite.ok_or_else(|| format!("nobody was called\n{}", world.ladder))?;
            let invite = Message::scan(invite).map_err(|error| error.to_string())?;
            validate_request(&invite).map_err(|fault| fault.to_string())?;
            contain(&invite, contents)?;
            whole_call(&mut world, &invite)?;
        }
    }
    world.assert_nothing_left();
    Ok(())
}

fn contain(message: &Message, contents: &[(&str, &str)]) -> Verdict {
    for (name, text) in contents {
        let mut values = message.headers().filter(|header| header.raw_name.eq_ignore_ascii_case(name));
        require(values.any(|header| header.value.contains(text)), || format!("{name} does not say {text}"))?;
    }
    Ok(())
}

/// Everything that was sent to whoever sent the message, provisional answers left out.
fn finals(world: &World) -> Vec<(Flow, Message)> {
    let messages = world.sent().iter().map(|(flow, bytes)| (*flow, Message::scan(bytes.clone()).unwrap()));
    messages.filter(|(_, message)| message.status().is_none_or(|status| status >= 200)).collect()
}

/// One final answer, to the address that asked, that belongs to the request.
fn answered(world: &World, request: &[u8], statuses: &[u16], contents: &[(&str, &str)]) -> Verdict {
    let finals = finals(world);
    let [(flow, answer)] = &finals[..] else {
        return Err(format!("{} answers\n{}", finals.len(), world.ladder));
    };
    let sender: SocketAddr = CARRIER.parse().unwrap();
    require(flow.remote.ip() == sender.ip(), || format!("it went to {}", flow.remote))?;
    let status = answer.status().unwrap_or_default();
    require(statuses.contains(&status), || format!("{status} instead of {statuses:?}"))?;
    contain(answer, contents)?;
    let scanned = Message::scan(request.to_vec().into());
    let request = scanned.as_ref().ok().or_else(|| scanned.as_ref().err().and_then(|error| error.partial()));
    let request = request.ok_or("the request has no readable part")?;
    echoes(request, answer)
}

/// RFC 3261 §8.2.6.2: an answer takes over what identifies its request, whatever it looks like.
fn echoes(request: &Message, answer: &Message) -> Verdict {
    for name in [HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        require(request.header(name) == answer.header(name), || format!("{name} is not the request's"))?;
    }
    let to = answer.header(HeaderName::To).unwrap_or_default();
    require(to.starts_with(request.header(HeaderName::To).unwrap_or_default()), || format!("To: {to}"))?;
    let (asked, got) = (request.vias().count(), answer.vias().count());
    require(asked == got, || format!("{got} of {asked} Vias"))?;
    let branches = |message: &Message| message.vias().flatten().map(|via| via.branch().map(str::to_owned)).collect();
    let (asked, got): (Vec<_>, Vec<_>) = (branches(request), branches(answer));
    require(asked == got, || "the Vias are in another order".to_owned())?;
    if validate_request(request).is_ok() {
        validate_response(answer).map_err(|fault| format!("the answer: {fault}"))?;
        require(answer.to().is_ok_and(|to| to.tag().is_some()), || "To has no tag".to_owned())?;
    }
    Ok(())
}

/// The callee answers, the caller acknowledges, the callee hangs up: the dialog with the tortured message holds.
fn whole_call(world: &mut World, invite: &Message) -> Verdict {
    let mut callee = Phone::new(PBX.parse().unwrap());
    callee.hear(invite);
    // Who offers nothing is offered something, and answers with its ACK.
    let answer = matching_answer(&String::from_utf8_lossy(invite.body()));
    let late =
        if invite.body().is_empty() { Phone::new(CARRIER.parse().unwrap()).sdp("sendrecv") } else { String::new() };
    callee.respond(world, invite, 200, Some(&answer));
    let (flow, accepted) = last_said(world, "200")?;
    require(accepted.to().is_ok_and(|to| to.tag().is_some()), || "the 200 has no To tag".to_owned())?;
    let header = |name: HeaderName| accepted.header(name).unwrap_or_default().to_owned();
    let contact = accepted.contacts().next().and_then(Result::ok).ok_or("the 200 has no Contact")?;
    let cseq = accepted.cseq().map_err(|error| error.to_string())?.number;
    let ack = format!(
        "ACK {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-ack\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {cseq} ACK\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{late}",
        contact.uri,
        flow.remote,
        header(HeaderName::From),
        header(HeaderName::To),
        header(HeaderName::CallId),
        late.len(),
    );
    world.send(CARRIER.parse().unwrap(), ack.into());
    callee.expect(world, "ACK");
    callee.say(world, "BYE");
    callee.expect(world, "200");
    let (_, bye) = last_said(world, "BYE")?;
    validate_request(&bye).map_err(|fault| format!("the BYE: {fault}"))?;
    let good = format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n\r\n",
        bye.header(HeaderName::Via).unwrap_or_default(),
        bye.header(HeaderName::From).unwrap_or_default(),
        bye.header(HeaderName::To).unwrap_or_default(),
        bye.header(HeaderName::CallId).unwrap_or_default(),
        bye.header(HeaderName::CSeq).unwrap_or_default(),
    );
    world.send(CARRIER.parse().unwrap(), good.into());
    Ok(())
}

/// The newest message of this method or status that did not go to the callee.
fn last_said(world: &World, what: &str) -> Result<(Flow, Message), String> {
    let callee: SocketAddr = PBX.parse().unwrap();
    let to_caller = world.sent().iter().filter(|(flow, _)| flow.remote != callee);
    let mut messages = to_caller.map(|(flow, bytes)| (*flow, Message::scan(bytes.clone()).unwrap()));
    let said = |message: &Message| match message.status() {
        Some(status) => status.to_string() == what,
        None => message.method().map(Method::as_str) == Some(what),
    };
    messages.rfind(|(_, message)| said(message)).ok_or_else(|| format!("no {what} to the caller\n{}", world.ladder))
}

/// SDP that takes the audio streams of an offer and rejects the others; an offer of audio where there is none.
fn matching_answer(offer: &str) -> String {
    let mut answer = "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n".to_owned();
    let offer = if offer.is_empty() { "m=audio 4000 RTP/AVP 0" } else { offer };
    for line in offer.lines().filter_map(|line| line.strip_prefix("m=")) {
        let words: Vec<&str> = line.split(' ').collect();
        let port = if words[0] == "audio" { "4000" } else { "0" };
        answer.push_str(&format!("m={} {port} {} {}\r\n", words[0], words[2], words[3]));
    }
    answer
}

/// Where the RFCs' bytes are: as the environment says, else beside the checkout.
fn data() -> Option<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let said = std::env::var_os("STROWGER_TORTURE_DATA").map(PathBuf::from);
    let beside = ["../shared/data", "../../shared/data"].map(|place| top.join(place));
    said.into_iter().chain(beside).find(|folder| folder.join("rfc4475").is_dir())
}

/// The archive of RFC 5118 has bare LFs, lacks the empty line where there is no body, and counts some bodies wrong.
fn restored(archived: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(archived.to_vec()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let body = body.replace('\n', "\r\n");
    let mut wire = String::new();
    for line in head.lines().filter(|line| !line.starts_with("Content-Length")) {
        wire.push_str(line);
        wire.push_str("\r\n");
    }
    wire.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    wire.into_bytes()
}

#[test]
fn every_message_of_rfc_4475_and_rfc_5118_gets_what_it_is_owed() {
    let Some(data) = data() else {
        println!("not run: the RFCs' messages are not beside this checkout (STROWGER_TORTURE_DATA names their place)");
        return;
    };
    let load = |folder: &str, name: &str| std::fs::read(data.join(format!("{folder}/{name}.dat"))).unwrap();
    let first = verdicts::RFC4475.iter().map(|torture| (torture, load("rfc4475", torture.name)));
    let second = verdicts::RFC5118.iter().map(|torture| (torture, restored(&load("rfc5118", torture.name))));
    let (mut met, mut wrong) = (0, Vec::new());
    for (torture, bytes) in first.chain(second) {
        let owed = verdicts::OWED.contains(&torture.name);
        match judge(torture, &bytes) {
            Ok(()) if owed => wrong.push(format!("§{} {}: met, take it off OWED", torture.section, torture.name)),
            Ok(()) => met += 1,
            Err(why) if owed => println!("owed: §{} {}: {why}", torture.section, torture.name),
            Err(why) => wrong.push(format!("§{} {}: {why}", torture.section, torture.name)),
        }
    }
    println!("{met} of 61 are met");
    assert!(wrong.is_empty(), "{met} of 61 are met\n{}", wrong.join("\n"));
    assert_eq!(met + verdicts::OWED.len(), 61, "OWED names messages that there are not");
}

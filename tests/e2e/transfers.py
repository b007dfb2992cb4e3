"""Transfers end to end (RFC 3515, RFC 5589, RFC 3891): the parts of their scenarios, beside those of messages.py, and the cases."""

import time

import messages
import reliable
import wire

# Where transfers go: a number of the account, the same as a telephone URI, and a number of the world outside.
TARGET, TARGET_BY_TEL, FAR_TARGET = "+15550000005", "tel:+1-555-000-0005", "+17990000002"
# How long a first call may take until it stands, in seconds.
PATIENCE = 8


def expand(text, *more):
    """A scenario file as SIPp's XML, with the parts of more modules."""
    own = {name: part for name, part in globals().items() if callable(part)}
    others = {name: part for module in (reliable, *more) for name, part in vars(module).items()}
    return messages.expand(text, {**others, **own})


def referring(kind, contact):
    """Headers of a REFER. `kind`: a number, the same as tel:, one outside, a number with the dialog that is to be replaced, or a
    number of which nothing is to be told (RFC 4488)."""
    number = f"<sip:{TARGET}@exchange.example>"
    target = {"tel": f"<{TARGET_BY_TEL}>", "outside": f"<sip:{FAR_TARGET}@exchange.example>",
              "joined": f"<sip:{TARGET}@exchange.example?Replaces=[escaped]>"}.get(kind, number)
    quiet = "Supported: norefersub\nRefer-Sub: false\n" if kind == "quiet" else ""
    return f"Refer-To: {target}\n{quiet}Contact: <sip:{contact}@[local_ip]:[local_port]>\n"


def refers(cseq, kind="number", retransmit="500"):
    """The caller's REFER."""
    return messages.in_dialog("REFER", cseq, retransmit=retransmit, extra=referring(kind, "caller-contact"))


def callee_refers(cseq, kind="number"):
    """The callee's REFER."""
    return messages.callee_sends("REFER", cseq, extra=referring(kind, "callee-contact"))


def accepted(cseq="2"):
    """202 to the REFER."""
    return f'<recv response="202">{messages.checks(messages.keep(f"{cseq} REFER", "CSeq", "seen"))}</recv>'


def accepted_quietly():
    """200 to a REFER that made no subscription."""
    kept = messages.checks(messages.keep("REFER", "CSeq", "seen"), messages.keep("false", "Refer-Sub", "seen"))
    return f'<recv response="200">{kept}</recv>'


def hears(status, cseq="2"):
    """NOTIFY with this status, which the caller or the callee says that it heard; a final one ends the subscription."""
    state = "active;expires=[0-9]+" if int(status) < 200 else "terminated;reason=noresource"
    kept = messages.checks(
        messages.keep(f"refer;id={cseq}", "Event", "seen"), messages.keep(state, "Subscription-State", "seen"),
        messages.keep("message/sipfrag", "Content-Type", "seen"), messages.has(f"SIP/2.0 {status} "))
    return f'<recv request="NOTIFY">{kept}</recv>\n{messages.confirms()}'


def invite_replacing(more=""):
    """The caller's INVITE that asks for a place in the call that stood first; `wrong` names none that there is."""
    named = "x[named]" if more == "wrong" else "[named]" + (f";{more}" if more else "")
    return messages.invite(extra=f"Require:_replaces\nReplaces:_{named}")


def dialog(path, until):
    """How a phone of the first call names its dialog, as SIPp's keywords: once it has heard or sent 180, or sent ACK."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = wire.read(path)
        there = any(message.status == 180 if until == "180" else message.sent and message.method == until for message in seen)
        tagged = [message for message in seen if message.method == "INVITE" and message.tag("to")]
        if there and tagged:
            last = tagged[-1]
            # Who was called answers: the exchange is in From.
            ours, theirs = ("from", "to") if last.sent else ("to", "from")
            named = f"{last.one('call-id')};to-tag={last.tag(ours)};from-tag={last.tag(theirs)}"
            escaped = named.replace("@", "%40").replace(";", "%3B").replace("=", "%3D")
            return ["-key", "named", named, "-key", "escaped", escaped]
        time.sleep(0.02)
    return ["-key", "named", "nothing", "-key", "escaped", "nothing"]


def media_ports(legs, role):
    """The ports of the exchange's that a role was told, in order, without repeats."""
    ports = []
    for message in legs.get(role, []):
        if not message.sent and message.method == "INVITE" and b"m=audio" in message.body:
            ports.append(message.body.split(b"m=audio ")[1].split()[0])
    return list(dict.fromkeys(ports))


def told_once(legs):
    """The party that is transferred kept the exchange's port; who asked was told of its REFER and of nothing else."""
    remaining = "callee" if any(message.sent and message.method == "REFER" for message in legs["caller"]) else "caller"
    ports = media_ports(legs, remaining)
    return [] if len(ports) == 1 else [f"{remaining} was told {len(ports)} media ports, one is owed"]


def nobody_rang(legs):
    """No leg but the two of the call was ever there."""
    rang = [role for role, seen in legs.items() if role not in ("caller", "callee", "consult") and seen]
    return [f"{role} was called" for role in rang]


def untold(legs):
    """Who did not want to be told was not."""
    told = sum(message.method == "NOTIFY" for seen in legs.values() for message in seen)
    return [f"{told} NOTIFY came, none is owed"] if told else []


def cases(case, answered_by_tcp, answered):
    """All of them; `case` makes one."""
    callee = {"callee": "answers.xml"}
    to_target = {"callee": "answers.xml", "target": "transfer.target.xml"}
    asked, by_tcp = "bye_by_callee.caller.xml", ("callee",)
    standing, longer = (asked, answered, "ACK"), ("calls_longer.xml", answered, "ACK")
    return (
        case("transfer by the caller", "transfer.caller.xml", to_target, place="pbx", sees=told_once),
        case("transfer by the callee", asked, {"callee": "transfer.callee.xml", "target": "transfer.target.xml"}, sees=told_once),
        case("TCP: transfer by the callee to UDP", asked, {"callee": "transfer.callee.xml", "target": "transfer.target.xml"},
             answered_by_tcp, sees=told_once, tcp=("caller", "callee")),
        case("TCP and UDP: transfer by the callee", asked, {"callee": "transfer.callee.xml", "target": "transfer.target.xml"},
             answered_by_tcp, sees=told_once, tcp=by_tcp),
        case("transfer to tel:", "transfer_tel.caller.xml", to_target, place="pbx"),
        case("transfer to who is busy", "transfer_busy.caller.xml", {**callee, "target": "busy.callee.xml"}, place="pbx"),
        case("transfer to who does not answer", "transfer_unanswered.caller.xml", {**callee, "carrier_c": "cancel.callee.xml"},
             place="pbx"),
        case("transfer whose asker hangs up", "transfer_left.caller.xml", to_target, place="pbx"),
        case("transfer of which nothing is told", "transfer_quiet.caller.xml", to_target, place="pbx", sees=untold),
        case("a second REFER during a transfer", "transfer_twice.caller.xml", to_target, place="pbx"),
        case("REFER on a carrier's edge", "transfer_refused.caller.xml", callee),
        case("REFER outside of a call", "transfer_outside.caller.xml", {}),
        case("attended transfer", "attended.caller.xml", {"callee": "joined.callee.xml", "target": "joined.target.xml"}, place="pbx",
             first=(asked, TARGET, "ACK")),
        case("INVITE with Replaces", "replaces.caller.xml", {"callee": "joined.callee.xml"}, first=standing),
        case("INVITE with Replaces, early-only, of an answered call", "replaces_early.caller.xml", callee, first=longer),
        case("INVITE with Replaces of a call that rings", "replaces_ringing.caller.xml", {"callee": "cancel.callee.xml"},
             first=(asked, answered, "180", "callee"), sees=nobody_rang),
        case("INVITE with Replaces of an unknown call", "replaces_unknown.caller.xml", callee, first=longer),
        case("INVITE with Replaces of another account's call", "replaces_other.caller.xml", callee, place="other", first=longer),
        case("re-INVITE without an offer", "late_change.caller.xml", {"callee": "late_change.callee.xml"}),
    )


def hears_to_the_end():
    """NOTIFY until the subscription ends, well; how many there are depends on how fast the target is."""
    kept = messages.checks(messages.has("SIP/2.0 (1[0-9][0-9]|200) "),
                           '<ereg regexp="terminated" search_in="hdr" header="Subscription-State:" assign_to="ended"/>')
    heard = messages.confirms().replace("<send", '<send next="2" test="ended"')
    return f'<label id="1"/>\n<recv request="NOTIFY">{kept}</recv>\n{heard}\n<nop next="1"/>\n<label id="2"/>'

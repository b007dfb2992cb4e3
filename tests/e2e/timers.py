"""Parts of scenarios with session timers (RFC 4028), beside those of messages.py."""

import messages

UPDATES = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\n"


def timed_invite(seconds, refresher="", cseq="1"):
    """An INVITE that asks for a session timer, and says that UPDATE is served; its branch is named by its number."""
    by = f";refresher={refresher}" if refresher else ""
    extra = f"Supported: timer\nSession-Expires: {seconds}{by}\n{UPDATES.strip()}"
    return messages.invite(branch=f"invite{cseq}", extra=extra).replace("CSeq: 1 INVITE", f"CSeq: {cseq} INVITE")


def too_short(seconds, cseq="1"):
    """422 that says what would do, and its ACK."""
    checks = messages.checks(messages.keep(f"^ *{seconds}", "Min-SE", "seen"))
    return f'<recv response="422">{checks}</recv>\n{messages.ack_failure_of(cseq, f"invite{cseq}")}'


def granted(seconds, refresher):
    """200 with a session timer, which it requires; remembers the dialog's target and route."""
    checks = messages.checks(messages.keep(f"^ *{seconds};refresher={refresher}", "Session-Expires", "seen"),
                             messages.keep("timer", "Require", "seen"), messages.has("m=audio"))
    return f'<recv response="200" rrs="true">{checks}</recv>'


def ack_of(cseq):
    """ACK of the 200 to an INVITE with this number."""
    return messages.in_dialog("ACK", cseq, retransmit="0")


def invited_for(seconds, min_se=""):
    """The first INVITE at a callee, with a session timer; or, with `min_se`, the one after a 422."""
    more = [messages.keep(f"^ *{seconds}", "Session-Expires", "seen"), messages.keep("timer", "Supported", "seen")]
    more.append(messages.keep(f"^ *{min_se}", "Min-SE", "seen") if min_se else messages.lacks("Min-SE"))
    return messages.invited("sendrecv", *more)


def asks_for_longer(min_se):
    """422 to the first INVITE."""
    return messages.reply("422", "Session Interval Too Small", extra=f"Min-SE: {min_se}\n")


def rings_again():
    """180 to the INVITE after a 422."""
    return messages.rings().replace("CSeq: 1 INVITE", "CSeq: 2 INVITE")


def answers_again(seconds, refresher):
    """200 with SDP and a session timer to the INVITE after a 422."""
    return answers_for(seconds, refresher).replace("CSeq: 1 INVITE", "CSeq: 2 INVITE")


def answers_for(seconds, refresher):
    """200 with SDP and a session timer."""
    extra = f"Require: timer\nSession-Expires: {seconds};refresher={refresher}\n"
    return messages.reply("200", "OK", "sendrecv", "1", "500", extra)


def refreshed(method, seconds):
    """A request of the exchange's that refreshes the session: UPDATE without SDP, or INVITE with what was said before."""
    media = messages.lacks("m=audio") if method == "UPDATE" else messages.has("m=audio.*a=sendrecv")
    checks = messages.checks(messages.keep(f"^ *{seconds};refresher=uac", "Session-Expires", "seen"),
                             messages.keep("timer", "Supported", "seen"), media)
    return f'<recv request="{method}">{checks}</recv>'


def agrees_to_refresh(side, seconds, direction="none"):
    """200 to it, sent once to an UPDATE and again until its ACK to an INVITE."""
    return messages.send(f"""
        SIP/2.0 200 OK
        [last_Via:]
        [last_From:]
        [last_To:]
        [last_Call-ID:]
        [last_CSeq:]
        Contact: <sip:{side}-contact@[local_ip]:[local_port]>
        Require: timer
        Session-Expires: {seconds};refresher=uac
        {messages.body(side, direction)}""", ' retrans="500"' if direction != "none" else "")

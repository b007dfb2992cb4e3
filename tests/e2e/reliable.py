"""Parts of scenarios with reliable provisional responses (RFC 3262) or UPDATE, beside those of messages.py."""

import messages


def prack(cseq, direction="none"):
    """PRACK of the reliable provisional response that was just kept."""
    return messages.in_dialog("PRACK", cseq, direction, extra="RAck: [$rseq] 1 INVITE\n")


def reliable(code, direction="none"):
    """A provisional response that asks for a PRACK, with SDP or without; remembers its number, the dialog's target and route."""
    media = messages.lacks("m=audio") if direction == "none" else messages.has("m=audio")
    kept = messages.checks(messages.keep("100rel", "Require", "seen"), messages.keep("[1-9][0-9]*", "RSeq", "rseq"), media)
    return f'<recv response="{code}" rrs="true">{kept}</recv>'


def pracked(cseq, direction="none"):
    """The PRACK, and its 200."""
    return f'{prack(cseq, direction)}\n<recv response="200">{messages.expecting_method("PRACK")}</recv>'


def answered_before():
    """200 without SDP: the answer was given reliably."""
    return f'<recv response="200" rrs="true">{messages.checks(messages.keep("INVITE", "CSeq", "seen"), messages.lacks("m=audio"))}</recv>'


def takes_reliably():
    """The INVITE says that provisional responses may be sent reliably."""
    return messages.has("Supported:[^\r\n]*100rel")


def invited_reliably(direction="sendrecv"):
    """The first INVITE at a callee that may respond reliably."""
    return messages.invited(direction, takes_reliably())


def reply_reliably(code, reason, direction="none", rseq="1"):
    """The callee's provisional response that asks for a PRACK, repeated until that comes."""
    return messages.reply(code, reason, direction, "1", "500", f"Require: 100rel\nRSeq: {rseq}\n")


def got_prack(rseq="1", direction="none"):
    """The PRACK of that response, with SDP or without, and its 200."""
    media = messages.lacks("m=audio") if direction == "none" else messages.has("m=audio")
    return f'<recv request="PRACK">{messages.checks(messages.keep(f"{rseq} 1 INVITE", "RAck", "seen"), media)}</recv>\n{messages.confirms()}'


def answers_and_takes_updates():
    """200 with SDP that says that UPDATE is served."""
    return messages.reply("200", "OK", "sendrecv", "1", "500", "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\n")


def agrees(direction, version):
    """The callee's answer to an UPDATE with an offer: sent once, nothing acknowledges it."""
    return messages.send(f"""
        SIP/2.0 200 OK
        [last_Via:]
        [last_From:]
        [last_To:]
        [last_Call-ID:]
        [last_CSeq:]
        Contact: <sip:callee-contact@[local_ip]:[local_port]>
        {messages.body("callee", direction, version)}""")


def expand(text):
    """A scenario file as SIPp's XML."""
    return messages.expand(text, globals())

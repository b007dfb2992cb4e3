"""Parts of scenarios with texts outside any call (RFC 3428), beside those of messages.py."""

import messages


def lone_text(cseq="1", proven=""):
    """A line of text of a device outside any dialog, to `alice`; with `proven` it carries credentials."""
    return messages.send(f"""
        MESSAGE sip:alice@[domain] SIP/2.0
        {messages.VIA}[branch]
        From: <sip:[service]@[domain]>;tag=text-[pid]-[call_number]
        To: <sip:alice@[domain]>
        Call-ID: [call_id]
        CSeq: {cseq} MESSAGE
        {"[authentication]" if proven else ""}
        Max-Forwards: 70
        X-Private: caller-private
        Content-Type: text/plain
        Content-Length: [len]

        Are you still there?
        """, ' retrans="500"').replace("\n\nMax-Forwards", "\nMax-Forwards")


def texts():
    """A line of text, the challenge, and the line with credentials."""
    asked = f'<recv response="407" auth="true">{messages.checks(messages.has("realm=.pbx.example"))}</recv>'
    return f'{lone_text("1")}\n{asked}\n{lone_text("2", "proven")}'

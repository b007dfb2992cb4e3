"""The SIP messages that the scenarios in cases/ are made of.

A scenario is SIPp's XML in which `{{name word word}}` stands for what the function `name` below returns; a word `.` is
empty. Each side marks
what it sends (tags, Contact, agent, a private header, its media port), so that a leak to the other side is seen.
"""

import re

VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch="
# A request and its CANCEL or its ACK to a failure share a branch; SIPp's own [branch] changes with every message.
BRANCH = "z9hG4bK-{0}-[pid]-[call_number]"
CALLER = "<sip:+15559990000@caller.example>;tag=callertag-[pid]-[call_number]"
DIALLED = "<sip:[service]@[remote_ip]:[remote_port]>"
CALLEE_TAG = "tag=calleetag-[pid]-[call_number]"


def send(text, attributes=""):
    """A <send> of SIPp."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    return f"<send{attributes}><![CDATA[\n\n{lines}\n\n]]></send>"


def sdp(side, direction, version=1):
    """One audio stream in SDP."""
    return f"""
        v=0
        o={side} 1000 {version} IN IP4 127.0.0.1
        s=-
        c=IN IP4 [media_ip]
        t=0 0
        m=audio [media_port] RTP/AVP 0 8 101
        a=rtpmap:0 PCMU/8000
        a=rtpmap:8 PCMA/8000
        a=rtpmap:101 telephone-event/8000
        a={direction}"""


def body(side, direction, version=1):
    """The end of a message: SDP, or nothing for direction `none`."""
    if direction == "none":
        return "Content-Length: 0\n\n"
    return f"Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp(side, direction, version).strip()}\n"


# What a caller sends.


def invite(direction="sendrecv", max_forwards="70", branch="invite", retransmit="500", extra=""):
    """The first INVITE; `direction` none makes it a late offer, `retransmit` 0 sends it once, `extra` is one more header."""
    more = f"{extra.replace('_', ' ')}\n" if extra else ""
    attributes = f' retrans="{retransmit}"' if retransmit != "0" else ""
    return send(f"""
        INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
        {VIA}{BRANCH.format(branch)}
        From: {CALLER}
        To: {DIALLED}
        Call-ID: [call_id]
        CSeq: 1 INVITE
        Contact: <sip:caller-contact@[local_ip]:[local_port]>
        Max-Forwards: {max_forwards}
        User-Agent: caller-agent
        X-Private: caller-private
        {more}{body("caller", direction)}""", attributes)


def ack(direction="none"):
    """ACK of a 200: a request of its own, to the dialog's target."""
    return in_dialog("ACK", "1", direction, retransmit="0")


def ack_failure(branch="invite"):
    """ACK of a failure: part of the INVITE's transaction."""
    return ack_failure_of("1", branch)


def ack_failure_of(cseq, branch):
    """ACK of the failure of an INVITE with this number."""
    return send(f"""
        ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
        {VIA}{BRANCH.format(branch)}
        From: {CALLER}
        To: {DIALLED}[peer_tag_param]
        Call-ID: [call_id]
        CSeq: {cseq} ACK
        Max-Forwards: 70
        Content-Length: 0
        """)


def cancel():
    """CANCEL of the first INVITE."""
    return send(f"""
        CANCEL sip:[service]@[remote_ip]:[remote_port] SIP/2.0
        {VIA}{BRANCH.format("invite")}
        From: {CALLER}
        To: {DIALLED}
        Call-ID: [call_id]
        CSeq: 1 CANCEL
        Max-Forwards: 70
        Content-Length: 0
        """, ' retrans="500"')


def in_dialog(method, cseq, direction="none", branch="", retransmit="500", extra=""):
    """A caller's request within the dialog; with a direction it carries SDP and a Contact."""
    contact = "Contact: <sip:caller-contact@[local_ip]:[local_port]>\n" if method in ("INVITE", "UPDATE") else ""
    attributes = f' retrans="{retransmit}"' if retransmit != "0" else ""
    return send(f"""
        {method} [next_url] SIP/2.0
        {VIA}{BRANCH.format(branch) if branch else "[branch]"}
        [routes]
        From: {CALLER}
        To: {DIALLED}[peer_tag_param]
        Call-ID: [call_id]
        CSeq: {cseq} {method}
        {contact}{extra}Max-Forwards: 70
        {body("caller", direction, cseq)}""", attributes)


def info(cseq):
    """A digit of the caller's within the dialog."""
    return carrying("INFO", cseq, "application/dtmf-relay", "Signal=5\nDuration=160")


def message(cseq):
    """A line of text of the caller's within the dialog."""
    return carrying("MESSAGE", cseq, "text/plain", "Are you still there?")


def carrying(method, cseq, kind, text):
    """A caller's request within the dialog with a body of its own."""
    return send(f"""
        {method} [next_url] SIP/2.0
        {VIA}[branch]
        [routes]
        From: {CALLER}
        To: {DIALLED}[peer_tag_param]
        Call-ID: [call_id]
        CSeq: {cseq} {method}
        Max-Forwards: 70
        X-Private: caller-private
        Content-Type: {kind}
        Content-Length: [len]

        {text}
        """, ' retrans="500"')


def bye(cseq="2", branch="", retransmit="500"):
    """The caller's BYE."""
    return in_dialog("BYE", cseq, "none", branch, retransmit)


def outside(method, to_tag="", extra="", cseq="1", branch="outside"):
    """A request that belongs to no dialog of the exchange's."""
    tag = f";tag={to_tag}" if to_tag else ""
    more = f"{extra.replace('_', ' ')}\n" if extra else ""
    return send(f"""
        {method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0
        {VIA}{BRANCH.format(branch)}
        From: {CALLER}
        To: {DIALLED}{tag}
        Call-ID: [call_id]
        CSeq: {cseq} {method}
        Contact: <sip:caller-contact@[local_ip]:[local_port]>
        {more}Max-Forwards: 70
        Content-Length: 0
        """)


def caller_answers(code="200", reason="OK", direction="none", version="1"):
    """The caller's answer to a request it has just received."""
    contact = "Contact: <sip:caller-contact@[local_ip]:[local_port]>\n" if direction != "none" else ""
    return send(f"""
        SIP/2.0 {code} {reason}
        [last_Via:]
        [last_From:]
        [last_To:]
        [last_Call-ID:]
        [last_CSeq:]
        {contact}{body("caller", direction, version)}""", ' retrans="500"' if direction != "none" else "")


def invite_as(user, cseq="1", proven=""):
    """An INVITE of a user; with `proven` it carries credentials. Its branch is named by its number."""
    return send(f"""
        INVITE sip:[service]@[domain] SIP/2.0
        {VIA}{BRANCH.format("as" + cseq)}
        From: <sip:{user}@[domain]>;tag=callertag-[pid]-[call_number]
        To: <sip:[service]@[domain]>
        Call-ID: [call_id]
        CSeq: {cseq} INVITE
        Contact: <sip:caller-contact@[local_ip]:[local_port]>
        {"[authentication]" if proven else ""}
        Max-Forwards: 70
        User-Agent: caller-agent
        X-Private: caller-private
        {body("caller", "sendrecv")}""").replace("\n\nMax-Forwards", "\nMax-Forwards")


def as_challenged(user, cseq="1"):
    """407 of the user's domain and its ACK."""
    return f'<recv response="407" auth="true">{checks(has("realm=.pbx.example"))}</recv>' + send(f"""
        ACK sip:[service]@[domain] SIP/2.0
        {VIA}{BRANCH.format("as" + cseq)}
        From: <sip:{user}@[domain]>;tag=callertag-[pid]-[call_number]
        To: <sip:[service]@[domain]>[peer_tag_param]
        Call-ID: [call_id]
        CSeq: {cseq} ACK
        Max-Forwards: 70
        Content-Length: 0
        """)


# What a device says that registers: `service` is its user, `domain` the user's.


def register(cseq="1", contact="device", proven=""):
    """REGISTER. `contact`: device (ten minutes), flow (the same, to be reached by its connection alone), bulk (for all numbers
    of a trunk), gone (0 seconds), all (*), or none to ask what there is; with `proven` it carries credentials."""
    here = "<sip:[service]@[local_ip]:[contact]>"
    contacts = {"device": f"Contact: {here};expires=600\n", "gone": f"Contact: {here};expires=0\n",
                "flow": "Contact: <sip:[service]@[local_ip]:[contact];ob>;expires=600\n",
                "bulk": "Contact: <sip:[local_ip]:[contact];bnc>;expires=600\nRequire: gin\nProxy-Require: gin\n",
                "all": "Contact: *\nExpires: 0\n", "none": "", "brief": f"Contact: {here};expires=5\n"}
    return send(f"""
        REGISTER sip:[domain] SIP/2.0
        {VIA}[branch]
        From: <sip:[service]@[domain]>;tag=device-[pid]-[call_number]
        To: <sip:[service]@[domain]>
        Call-ID: [call_id]
        CSeq: {cseq} REGISTER
        {contacts[contact]}{"[authentication]" if proven else ""}
        Max-Forwards: 70
        User-Agent: sipp
        Content-Length: 0
        """, ' retrans="500"').replace("\n\nMax-Forwards", "\nMax-Forwards")


def challenged(domain="pbx"):
    """401 of the user's domain."""
    return f'<recv response="401" auth="true">{checks(has(f"realm=.{domain}.example"))}</recv>'


def registers(contact="device", domain="pbx"):
    """A REGISTER, the challenge, and the REGISTER with credentials."""
    return f'{register("1", contact)}\n{challenged(domain)}\n{register("2", contact, "proven")}'


def bound(*seconds):
    """200 with the device's contact, which holds that long at most; without a time, with no contact."""
    if not seconds:
        return f'<recv response="200">{checks(lacks("Contact:"))}</recv>'
    return f'<recv response="200">{checks(keep(f"<sip:[^>]*>;expires={seconds[0]}", "Contact", "seen"))}</recv>'


def within_limits():
    """The response says how long the shortest registration is."""
    return checks(keep("60", "Min-Expires", "seen"))


# What a caller expects.


def trying():
    """100, which may come or not."""
    return '<recv response="100" optional="true"></recv>'


def ringing():
    """180 without SDP."""
    return trying() + '\n<recv response="180"></recv>'


def answered(direction="sendrecv"):
    """200 with SDP of that direction; remembers the dialog's target and route."""
    return f'<recv response="200" rrs="true">{checks(has(f"a={direction}" if direction != "sendrecv" else "m=audio"))}</recv>'


def progress():
    """183 with SDP."""
    return f'<recv response="183">{checks(has("m=audio"))}</recv>'


def expecting(direction):
    """The answer's SDP has that direction."""
    return checks(has(f"a={direction}"))


def expecting_method(method):
    """The response is to a request of that method."""
    return checks(keep(method, "CSeq", "seen"))


def allowing():
    """The response says what the exchange can do."""
    return checks(keep("INVITE.*BYE|BYE.*INVITE", "Allow", "seen"))


def later():
    """The response says when to try again."""
    return checks(keep("[0-9]+", "Retry-After", "seen"), keep("3 INVITE", "CSeq", "seen"))


def naming(option):
    """The response names the extension that it does not know."""
    return checks(keep(option, "Unsupported", "seen"))


def failed(code, branch="invite"):
    """A final failure to the first INVITE, and its ACK."""
    return f'{trying()}\n<recv response="{code}"></recv>\n{ack_failure(branch)}'


# What a callee expects and sends.


def checks(*actions):
    """Actions of a <recv>."""
    return "\n<action>\n" + "\n".join(actions) + "\n</action>\n"


def escaped(pattern):
    """A pattern as an XML attribute."""
    return pattern.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def keep(pattern, header, name):
    """Remembers what a pattern finds in a header; the call fails where it finds nothing."""
    return f'<ereg regexp="{escaped(pattern)}" search_in="hdr" header="{header}:" check_it="true" assign_to="{name}"/>'


def has(pattern):
    """The message must match."""
    return f'<ereg regexp="{escaped(pattern)}" search_in="msg" check_it="true" assign_to="seen"/>'


def lacks(pattern):
    """The message must not match."""
    return f'<ereg regexp="{escaped(pattern)}" search_in="msg" check_it_inverse="true" assign_to="unseen"/>'


def invited(direction="sendrecv", *more):
    """The first INVITE at the callee, with more checks; remembers the dialog for requests of the callee's own and for late answers."""
    media = lacks("m=audio") if direction == "none" else has("m=audio")
    return '<recv request="INVITE">' + checks(
        keep("sip:[^;>]+", "Contact", "target"), keep("SIP/2.0/(UDP|TCP).*", "Via", "via"),
        keep("<.*", "From", "from"), keep("<.*", "To", "to"),
        '<ereg regexp="sip:[^ ]+" search_in="msg" check_it="true" assign_to="uri"/>', media, *more) + "</recv>"


def sends_back():
    """The INVITE just received, sent back as a proxy would: unchanged but for one more Via and one hop less."""
    return send(f"""
        INVITE [$uri] SIP/2.0
        {VIA}{BRANCH.format("back")}
        Via: [$via]
        From: [$from]
        To: [$to]
        Call-ID: [call_id]
        CSeq: 1 INVITE
        Contact: <[$target]>
        Max-Forwards: 68
        {body("callee", "sendrecv")}""")


def acks_back():
    """ACK of its refusal."""
    return send(f"""
        ACK [$uri] SIP/2.0
        {VIA}{BRANCH.format("back")}
        From: [$from]
        To: [$to][peer_tag_param]
        Call-ID: [call_id]
        CSeq: 1 ACK
        Max-Forwards: 68
        Content-Length: 0
        """)


def fork(code, reason, number, direction="none", retransmit="0"):
    """The answer of one of several phones that a proxy before them reached at once: its own tag, the INVITE's the same."""
    return reply(code, reason, direction, "1", retransmit, "", number)


def reply(code, reason, direction="none", version="1", retransmit="0", extra="", forked=""):
    """The callee's answer to the first INVITE, whatever was received since."""
    attributes = f' retrans="{retransmit}"' if retransmit != "0" else ""
    return send(f"""
        SIP/2.0 {code} {reason.replace("_", " ")}
        Via: [$via]
        From: [$from]
        To: [$to];{CALLEE_TAG}{forked}
        [last_Call-ID:]
        CSeq: 1 INVITE
        Contact: <sip:callee-contact@[local_ip]:[local_port]>
        Server: callee-agent
        X-Private: callee-private
        {extra}{body("callee", direction, version)}""", attributes)


def rings():
    """180 without SDP."""
    return reply("180", "Ringing")


def answers(direction="sendrecv", retransmit="500"):
    """200 with SDP."""
    return reply("200", "OK", direction, "1", retransmit)


def got_digit():
    """The caller's INFO, as it was."""
    return '<recv request="INFO">' + checks(keep("application/dtmf-relay", "Content-Type", "seen"), has("Signal=5"),
                                            has("Duration=160")) + "</recv>"


def confirms(code="200", reason="OK", direction="none", version="1"):
    """The callee's answer to the request it has just received."""
    contact = "Contact: <sip:callee-contact@[local_ip]:[local_port]>\n" if direction != "none" else ""
    return send(f"""
        SIP/2.0 {code} {reason}
        [last_Via:]
        [last_From:]
        [last_To:]
        [last_Call-ID:]
        [last_CSeq:]
        {contact}{body("callee", direction, version)}""", ' retrans="500"' if direction != "none" else "")


def got_text():
    """The caller's MESSAGE, as it was."""
    return '<recv request="MESSAGE">' + checks(keep("text/plain", "Content-Type", "seen"), has("Are you still there")) + "</recv>"


def callee_sends(method, cseq, direction="none", branch="", extra=""):
    """A request of the callee's own within the dialog. An INVITE that will be refused has a branch of a name, as has its ACK."""
    contact = "Contact: <sip:callee-contact@[local_ip]:[local_port]>\n" if method == "INVITE" else ""
    return send(f"""
        {method} [$target] SIP/2.0
        {VIA}{BRANCH.format(branch) if branch else "[branch]"}
        From: [$to];{CALLEE_TAG}
        To: [$from]
        Call-ID: [call_id]
        CSeq: {cseq} {method}
        {contact}{extra}Max-Forwards: 70
        {body("callee", direction, cseq)}""", "" if method == "ACK" else ' retrans="500"')


def got(method, direction="none"):
    """A request received within the dialog, with SDP of that direction or without SDP."""
    if method == "ACK" and direction == "none":
        return '<recv request="ACK"></recv>'
    media = lacks("m=audio") if direction == "none" else has(f"m=audio.*a={direction}")
    return f'<recv request="{method}">{checks(media)}</recv>'


def got_and_keeps(method, direction=""):
    """A request that will be answered later, or again in the same words when another one came meanwhile: SIPp writes a
    repeated answer anew. With a direction it has SDP of that direction."""
    media = [has(f"m=audio.*a={direction}")] if direction else []
    return f'<recv request="{method}">' + checks(
        *media,
        keep("SIP/2.0/(UDP|TCP).*", "Via", "kept_via"), keep(f"[0-9]+ {method}", "CSeq", "kept_cseq"),
        keep("<.*", "From", "kept_from"), keep("<.*", "To", "kept_to")) + "</recv>"


def answers_kept(code="200", reason="OK", retransmit="0", direction="none", version="1"):
    """The answer to it; with a direction the callee's SDP."""
    contact = "Contact: <sip:callee-contact@[local_ip]:[local_port]>\n" if direction != "none" else ""
    return send(f"""
        SIP/2.0 {code} {reason.replace("_", " ")}
        Via: [$kept_via]
        From: [$kept_from]
        To: [$kept_to]
        Call-ID: [call_id]
        CSeq: [$kept_cseq]
        {contact}{body("callee", direction, version)}""", f' retrans="{retransmit}"' if retransmit != "0" else "")


def linger(milliseconds="300"):
    """Stays to answer what is repeated."""
    return f'<timewait milliseconds="{milliseconds}"/>'


PART = re.compile(r"\{\{(\w+)((?: [^ }]+)*)\}\}")


def expand(text, more=None):
    """A scenario file as SIPp's XML, with more parts than these. SIPp refuses variables that are set and never read: they are
    named at the end."""
    parts = {**globals(), **(more or {})}
    filled = PART.sub(lambda match: parts[match[1]](*("" if word == "." else word for word in match[2].split())), text)
    used = sorted(set(re.findall(r'assign_to="(\w+)"', filled)))
    named = f'<Reference variables="{",".join(used)}"/>\n' if used else ""
    return filled.replace("</scenario>", f"{named}</scenario>")

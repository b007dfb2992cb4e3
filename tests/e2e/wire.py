"""Reads SIPp's message traces and holds both legs against what a back-to-back user agent owes.

SIPp's scenarios assert the order of messages; this asserts, for every case, what must be true of any message: the legs
share no identifier, the exchange stands for itself, and nothing of one side is shown to the other.
"""

import re
from dataclasses import dataclass, field

HEAD = re.compile(rb"^-{20,} .*\n(?:UDP|TCP) message (sent|received) [\[(](\d+)[^\n]*\n\n", re.MULTILINE)
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}


@dataclass
class Message:
    """One SIP message as a SIPp saw it."""

    sent: bool
    raw: bytes
    start: str
    headers: list = field(default_factory=list)
    body: bytes = b""

    @property
    def is_request(self):
        """Whether it is a request."""
        return not self.start.startswith("SIP/2.0")

    @property
    def method(self):
        """Its method, or the method it answers."""
        return self.start.split()[0] if self.is_request else self.one("cseq").split()[-1]

    @property
    def status(self):
        """Status of a response, 0 of a request."""
        return 0 if self.is_request else int(self.start.split()[1])

    def all(self, name):
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name):
        """The first value of a header, empty where there is none."""
        return next(iter(self.all(name)), "")

    def tag(self, name):
        """The tag of From or To."""
        match = re.search(r";\s*tag=([^;\s>]+)", self.one(name))
        return match[1] if match else ""


def parse(raw, sent):
    """A message from its bytes; None of what is not SIP."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
    if not lines or "SIP/2.0" not in lines[0]:
        return None
    message = Message(sent, raw, lines[0].strip(), body=body)
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        message.headers.append((COMPACT.get(name, name), value.strip()))
    return message


def read(path):
    """Every message of one SIPp's trace, in order."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return []
    found, at = [], 0
    while mark := HEAD.search(text, at):
        at = mark.end() + int(mark[2])
        message = parse(text[mark.end():at], mark[1] == b"sent")
        if message:
            found.append(message)
    return found


@dataclass
class World:
    """Addresses of the exchange in this run."""

    sip: tuple
    media: range


def faults(world, role, marks_of_others, messages, transport="UDP"):
    """What is wrong with the messages that one peer, which speaks that transport, received."""
    found = []
    sent_vias = {tuple(message.all("via")) for message in messages if message.sent and message.is_request}
    for message in (message for message in messages if not message.sent):
        def say(what, message=message):
            found.append(f"{role} received '{message.start}': {what}")
        text = message.raw.decode("utf-8", "replace")
        for mark in marks_of_others:
            if mark in text:
                say(f"it shows '{mark}' of the other side")
        if message.all("record-route") or message.all("route"):
            say("a route of the other side, or one of ours, is in it")
        if message.is_request:
            request_faults(world, message, say, transport)
        elif tuple(re.sub(r";(received|rport)=[^;]*", "", via) for via in message.all("via")) not in sent_vias:
            say(f"its Via is not the one that was sent: {message.all('via')}")
        elif message.status > 100 and not message.tag("to"):
            say("it has no To tag")
        if message.method == "INVITE" and (message.is_request or 100 < message.status < 300):
            contact_faults(world, message, say, transport)
        sdp_faults(world, message, say)
    return found


def request_faults(world, message, say, transport):
    """A request comes from the exchange itself."""
    vias = message.all("via")
    if len(vias) != 1 or "," in vias[0]:
        say(f"it has {len(vias)} Via, one is owed: {vias}")
    elif not re.match(rf"SIP/2\.0/{transport} ({'|'.join(re.escape(address) for address in world.sip)})\s*;", vias[0] + ";"):
        say(f"its Via is not the exchange's: {vias[0]}")
    elif "branch=z9hG4bK" not in vias[0]:
        say(f"its Via has no RFC 3261 branch: {vias[0]}")
    if not message.one("max-forwards").isdigit():
        say("it has no Max-Forwards")
    elif message.method == "INVITE" and not message.tag("to") and message.one("max-forwards") != "69":
        say(f"Max-Forwards is {message.one('max-forwards')}, 69 is owed of 70")


def contact_faults(world, message, say, transport):
    """The Contact is the exchange's, and says how it is reached."""
    contacts = message.all("contact")
    if len(contacts) != 1:
        say(f"it has {len(contacts)} Contact, one is owed")
    elif not any(f"{at}{address}" in contacts[0] for address in world.sip for at in ("@", "sip:")):
        say(f"its Contact is not the exchange's: {contacts[0]}")
    elif (";transport=tcp>" in contacts[0]) != (transport == "TCP"):
        say(f"its Contact does not say that it is reached by {transport}: {contacts[0]}")


def sdp_faults(world, message, say):
    """Length and SDP are right; addresses in SDP are the exchange's."""
    if message.one("content-length") not in ("", str(len(message.body))):
        say(f"Content-Length {message.one('content-length')}, the body has {len(message.body)} bytes")
    if not message.body:
        return
    if message.method in ("INFO", "MESSAGE", "NOTIFY"):
        return
    if message.one("content-type").lower() != "application/sdp":
        say(f"a body of type '{message.one('content-type')}'")
    text = message.body.decode("utf-8", "replace")
    for port in re.findall(r"^m=\S+ (\d+)", text, re.MULTILINE):
        if int(port) not in world.media or int(port) % 2:
            say(f"media port {port} is not an even one of the exchange's")
    for address in re.findall(r"^c=IN IP4 (\S+)", text, re.MULTILINE):
        if address != "127.0.0.1":
            say(f"media address {address} is not the exchange's")


def shared(legs):
    """Identifiers that two legs share; each must have its own Call-ID, tags, branches and media ports."""
    found, names = [], list(legs)
    kinds = {
        "Call-ID": lambda message: [message.one("call-id")],
        "tag": lambda message: [message.tag("from"), message.tag("to")],
        "branch": lambda message: re.findall(r"branch=([^;\s]+)", message.one("via")),
        "media port": lambda message: re.findall(r"^m=\S+ (\d+)", message.body.decode("utf-8", "replace"), re.MULTILINE),
    }
    for index, one in enumerate(names):
        for other in names[index + 1:]:
            for kind, values in kinds.items():
                first, second = ({value for message in legs[name] for value in values(message) if value} for name in (one, other))
                found.extend(f"{one} and {other} share the {kind} {value}" for value in sorted(first & second))
    return found


def ladder(name, messages):
    """One line a message, for a failed case."""
    return "\n".join(f"    {name} {'->' if message.sent else '<-'} {message.start}" for message in messages)

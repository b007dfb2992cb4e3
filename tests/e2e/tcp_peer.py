"""Peers by TCP for what no SIPp scenario can say: connections that end while the call runs, credentials sent twice."""

import hashlib
import re
import socket
import threading
from types import SimpleNamespace

import wire

PATIENCE = 8
DOMAIN = "pbx.example"
SDP = ("v=0\r\no={0} 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n"
       "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")


class Connection:
    """One connection; what it carries is kept with its peer."""

    def __init__(self, peer, stream):
        self.peer, self.stream, self.buffer = peer, stream, b""
        stream.settimeout(PATIENCE)
        peer.streams.append(stream)

    def send(self, head, body=""):
        """Sends a message; Content-Length is added."""
        lines = [line.strip() for line in head.strip().splitlines()]
        content = ["Content-Type: application/sdp"] if body else []
        raw = "\r\n".join([*lines, *content, f"Content-Length: {len(body)}", "", body]).encode()
        self.peer.seen.append(wire.parse(raw, True))
        self.stream.sendall(raw)

    def receive(self, wanted):
        """The next message, which must be this method or status; 100 is passed over."""
        while True:
            message = self.next()
            if message.start.startswith("SIP/2.0 100"):
                continue
            said = str(message.status or message.method)
            if said != wanted:
                raise AssertionError(f"{wanted} was to come, {message.start} came")
            return message

    def next(self):
        """The next message."""
        while b"\r\n\r\n" not in self.buffer:
            self.read()
        head = self.buffer.index(b"\r\n\r\n") + 4
        length = int(re.search(rb"Content-Length: *(\d+)", self.buffer[:head])[1])
        while len(self.buffer) < head + length:
            self.read()
        raw, self.buffer = self.buffer[:head + length], self.buffer[head + length:]
        message = wire.parse(raw, False)
        self.peer.seen.append(message)
        return message

    def read(self):
        """More bytes."""
        data = self.stream.recv(65535)
        if not data:
            raise AssertionError("the exchange closed the connection")
        self.buffer += data

    def answer(self, request, status, contact="", body=""):
        """Answers a request."""
        to = request.one("to")
        tag = "" if ";tag=" in to or status == 100 else f";tag={self.peer.name}tag-1"
        self.send(f"""
            SIP/2.0 {status} Said
            Via: {request.one("via")}
            From: {request.one("from")}
            To: {to}{tag}
            Call-ID: {request.one("call-id")}
            CSeq: {request.one("cseq")}{contact}""", body)

    def close(self):
        """Ends it."""
        self.stream.close()


class Peer(threading.Thread):
    """Plays one part of a case; for the case it looks like a SIPp."""

    process = SimpleNamespace(poll=lambda: None)

    def __init__(self, name, part, port, exchange, dialled):
        super().__init__(daemon=True)
        self.part, self.port, self.exchange, self.dialled = part, port, exchange, dialled
        self.name, self.seen, self.streams, self.problem = name, [], [], None
        self.listener = self.socket()
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        self.start()

    def socket(self):
        """A socket at the peer's port: it listens there and connects from there."""
        new = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        new.bind(("127.0.0.1", self.port))
        return new

    def run(self):
        """The whole part."""
        try:
            self.part(self)
        except (AssertionError, OSError) as error:
            self.problem = str(error) or repr(error)

    def accept(self):
        """A connection that the exchange opens."""
        stream, _ = self.listener.accept()
        return Connection(self, stream)

    def connect(self, stream):
        """A connection to the exchange."""
        stream.settimeout(PATIENCE)
        stream.connect(("127.0.0.1", self.exchange))
        return Connection(self, stream)

    def contact(self):
        """Its Contact line."""
        return f"\nContact: <sip:{self.name}-contact@127.0.0.1:{self.port};transport=tcp>"

    def wait(self, seconds):
        """0 when it went well, 1 when not, None when it is not done."""
        self.join(seconds)
        return None if self.is_alive() else int(self.problem is not None)

    def finish(self, _patience=0):
        """Ends what is open."""
        for stream in [self.listener, *self.streams]:
            stream.close()

    def errors(self):
        """What went wrong."""
        return self.problem or ""


def answered_call(peer, connection, offer=SDP.format("caller", 46000)):
    """A caller's call up to its ACK; returns what requests of its dialog begin with."""
    call = SimpleNamespace(target=f"sip:{peer.dialled}@127.0.0.1:{peer.exchange}", to="", cseq=1)
    call.to = f"<{call.target}>"
    request(peer, connection, call, "INVITE", offer)
    while (response := connection.next()).status < 200:
        pass
    if response.status != 200:
        raise AssertionError(f"200 was to come, {response.start} came")
    call.to = response.one("to")
    call.target = re.search(r"<([^>]+)>", response.one("contact"))[1]
    request(peer, connection, call, "ACK")
    return call


def request(peer, connection, call, method, body=""):
    """A request of a caller's call."""
    call.cseq += method not in ("INVITE", "ACK")
    connection.send(f"""
        {method} {call.target} SIP/2.0
        Via: SIP/2.0/TCP 127.0.0.1:{peer.port};branch=z9hG4bK-{peer.name}-{method}-{peer.ident}
        From: <sip:+15559990000@caller.example>;tag=callertag-{peer.ident}
        To: {call.to}
        Call-ID: closing-{peer.ident}@caller.example
        CSeq: {call.cseq} {method}
        Max-Forwards: 70{peer.contact() if method == "INVITE" else ""}""", body)


def callee_that_closes(peer):
    """Answers, closes, and is hung up on by a new connection."""
    connection = peer.accept()
    invite = connection.receive("INVITE")
    connection.answer(invite, 180, peer.contact())
    connection.answer(invite, 200, peer.contact(), SDP.format("callee", 46100))
    connection.receive("ACK")
    connection.close()
    connection = peer.accept()
    connection.answer(connection.receive("BYE"), 200)


def caller_that_closes(peer):
    """Calls, closes, and is hung up on by a connection that the exchange opens."""
    connection = peer.connect(peer.socket())
    answered_call(peer, connection)
    connection.close()
    connection = peer.accept()
    connection.answer(connection.receive("BYE"), 200)


def caller_that_comes_back(peer):
    """Calls, closes, and hangs up by another connection."""
    connection = peer.connect(peer.socket())
    call = answered_call(peer, connection)
    connection.close()
    connection = peer.connect(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    request(peer, connection, call, "BYE")
    connection.receive("200")


def invite_as(peer, connection, cseq, proof=""):
    """A user's INVITE, outside any dialog."""
    connection.send(f"""
        INVITE sip:{peer.dialled}@{DOMAIN} SIP/2.0
        Via: SIP/2.0/TCP 127.0.0.1:{peer.port};branch=z9hG4bK-{peer.ident}-{cseq}
        From: <sip:alice@{DOMAIN}>;tag=callertag-{peer.ident}
        To: <sip:{peer.dialled}@{DOMAIN}>
        Call-ID: proven-{peer.ident}-{cseq}@caller.example
        CSeq: {cseq} INVITE
        Max-Forwards: 70{proof}{peer.contact()}""", SDP.format("caller", 46000))


def refused(peer, connection, cseq):
    """The 407 to it, and its ACK; returns the challenge."""
    response = connection.receive("407")
    connection.send(f"""
        ACK sip:{peer.dialled}@{DOMAIN} SIP/2.0
        Via: SIP/2.0/TCP 127.0.0.1:{peer.port};branch=z9hG4bK-{peer.ident}-{cseq}
        From: <sip:alice@{DOMAIN}>;tag=callertag-{peer.ident}
        To: {response.one("to")}
        Call-ID: proven-{peer.ident}-{cseq}@caller.example
        CSeq: {cseq} ACK
        Max-Forwards: 70""")
    return response.one("proxy-authenticate")


def proof_of(peer, challenge, password):
    """Credentials for a challenge, the first that are made of its nonce (RFC 7616)."""
    def md5(text):
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    nonce, uri = re.search(r'nonce="([^"]+)"', challenge)[1], f"sip:{peer.dialled}@{DOMAIN}"
    response = md5(f"{md5(f'alice:{DOMAIN}:{password}')}:{nonce}:00000001:c0ffee:auth:{md5(f'INVITE:{uri}')}")
    return (f'\nProxy-Authorization: Digest username="alice", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", qop=auth, '
            f'nc=00000001, cnonce="c0ffee", algorithm=MD5, response="{response}"')


def caller_that_replays(peer):
    """Credentials that let one call through, overheard and sent again for another: the nonce is stale, nobody rings."""
    connection = peer.connect(peer.socket())
    invite_as(peer, connection, 1)
    proof = proof_of(peer, refused(peer, connection, 1), "alice-secret")
    invite_as(peer, connection, 2, proof)
    connection.receive("486")
    connection.send(f"""
        ACK sip:{peer.dialled}@{DOMAIN} SIP/2.0
        Via: SIP/2.0/TCP 127.0.0.1:{peer.port};branch=z9hG4bK-{peer.ident}-2
        From: <sip:alice@{DOMAIN}>;tag=callertag-{peer.ident}
        To: {peer.seen[-1].one("to")}
        Call-ID: proven-{peer.ident}-2@caller.example
        CSeq: 2 ACK
        Max-Forwards: 70""")
    invite_as(peer, connection, 3, proof)
    challenge = refused(peer, connection, 3)
    if "stale=true" not in challenge:
        raise AssertionError(f"the nonce was used, stale=true was to come: {challenge}")

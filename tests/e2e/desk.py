"""A phone with two calls at a time that has their other parties joined (REFER with Replaces, RFC 5589 section 7), for many
such pairs at once: SIPp's calls know nothing of each other."""

import re
import socket
import threading

import wire

SDP = ("v=0\r\no=desk 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 48000 RTP/AVP 0 8 101\r\n"
       "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n")


class Pair:
    """The call that came in, and the one that is made for it; each as its Call-ID, the two sides of its dialog, and the target."""

    def __init__(self, invite, number):
        self.number, self.first = number, None
        self.call_id, self.target = invite.one("call-id"), contact(invite)
        self.local, self.remote = f"{invite.one('to')};tag=desk-in-{number}", invite.one("from")
        self.second = {"call_id": f"desk-{number}@desk.example", "tag": f"desk-out-{number}", "to": "", "target": ""}
        self.hung_up = 0


def contact(message):
    """The URI of its Contact."""
    return re.search(r"<([^>]+)>", message.one("contact"))[1]


class Desk(threading.Thread):
    """Answers, calls the target, asks for the transfer, and is done with a pair when both its calls were hung up on."""

    def __init__(self, port, exchange, target):
        super().__init__(daemon=True)
        self.port, self.exchange, self.target = port, exchange, target
        self.done, self.wrong, self.ended = 0, [], False
        self.pairs, self.answers, self.sent, self.heard_from = {}, {}, 0, None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.socket.settimeout(0.2)
        self.socket.bind(("127.0.0.1", port))
        self.start()

    def run(self):
        """Until it is told to end."""
        while not self.ended:
            try:
                data, self.heard_from = self.socket.recvfrom(65535)
            except TimeoutError:
                continue
            message = wire.parse(data, False)
            try:
                self.hear(message)
            except (KeyError, TypeError) as error:
                self.wrong.append(f"the desk did not understand '{message.start}': {error!r}")

    def hear(self, message):
        """One message."""
        if not message.is_request:
            return self.hear_response(message)
        key = (message.one("via"), message.method)
        if key in self.answers:
            return self.socket.sendto(self.answers[key], self.heard_from)
        return getattr(self, f"hear_{message.method.lower()}")(message)

    def send(self, head, towards, body=""):
        """Sends a message; returns its bytes."""
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [line.strip() for line in head.strip().splitlines()] + kind
        raw = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
        self.socket.sendto(raw, towards)
        return raw

    def answer(self, request, status, tag="", body=""):
        """Answers a request, and the same again where that comes again."""
        to = request.one("to") + (f";tag={tag}" if tag else "")
        self.answers[request.one("via"), request.method] = self.send(f"""
            SIP/2.0 {status} Said
            Via: {request.one("via")}
            From: {request.one("from")}
            To: {to}
            Call-ID: {request.one("call-id")}
            CSeq: {request.one("cseq")}
            Contact: <sip:desk@127.0.0.1:{self.port}>""", self.heard_from, body)

    def ask(self, method, uri, call, cseq, more="", body=""):
        """Sends a request: `call` is From, To and Call-ID."""
        self.sent += 1
        self.send(f"""
            {method} {uri} SIP/2.0
            Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK-desk-{self.sent}
            From: {call[0]}
            To: {call[1]}
            Call-ID: {call[2]}
            CSeq: {cseq} {method}
            Contact: <sip:desk@127.0.0.1:{self.port}>
            Max-Forwards: 70{more}""", ("127.0.0.1", int(uri.rpartition(":")[2])), body)

    def hear_invite(self, message):
        """A first call: it is answered."""
        pair = Pair(message, len(self.pairs) // 2)
        self.pairs[pair.call_id] = self.pairs[pair.second["call_id"]] = pair
        self.answer(message, 180, f"desk-in-{pair.number}")
        self.answer(message, 200, f"desk-in-{pair.number}", SDP)

    def hear_ack(self, message):
        """The first call stands: the second is made."""
        pair = self.pairs[message.one("call-id")]
        if pair.first:
            return
        pair.first = message
        self.ask("INVITE", f"sip:{self.target}@127.0.0.1:{self.exchange}", self.of_second(pair), 1, "", SDP)

    def of_second(self, pair):
        """From, To and Call-ID of the second call."""
        second = pair.second
        to = second["to"] or f"<sip:{self.target}@127.0.0.1:{self.exchange}>"
        return f"<sip:desk@127.0.0.1>;tag={second['tag']}", to, second["call_id"]

    def hear_response(self, message):
        """What comes of its own requests."""
        pair = self.pairs[message.one("call-id")]
        if message.status >= 300:
            self.wrong.append(f"the desk got '{message.start}' to {message.one('cseq')}")
        if message.method == "INVITE" and message.status == 200:
            answered = pair.second["to"]
            pair.second.update(to=message.one("to"), target=contact(message))
            self.ask("ACK", pair.second["target"], self.of_second(pair), 1)
            if not answered:
                self.refer(pair)

    def refer(self, pair):
        """Asks in the first call that its party be joined with the second's."""
        second = pair.second
        tag = re.search(r"tag=([^;>\s]+)", second["to"])[1]
        named = f"{second['call_id']};to-tag={tag};from-tag={second['tag']}"
        named = named.replace("@", "%40").replace(";", "%3B").replace("=", "%3D")
        more = f"\nRefer-To: <sip:{self.target}@exchange.example?Replaces={named}>"
        self.ask("REFER", pair.target, (pair.local, pair.remote, pair.call_id), 1, more)

    def hear_notify(self, message):
        """How far the transfer is."""
        self.answer(message, 200)
        if not re.match(rb"SIP/2.0 (1\d\d|200) ", message.body):
            self.wrong.append(f"the desk was told {message.body!r}")

    def hear_bye(self, message):
        """One of the two is over."""
        self.answer(message, 200)
        pair = self.pairs[message.one("call-id")]
        pair.hung_up += 1
        self.done += pair.hung_up == 2

    def finish(self):
        """Ends it."""
        self.ended = True
        self.join(2)
        self.socket.close()

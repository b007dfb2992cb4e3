#!/usr/bin/env python3
"""A call with sound in both directions: two minimal phones, each of which sends a packet of RTP every 20 ms.

    audio.py EXCHANGE_PORT NUMBER CALLER_PORT CALLEE_PORT

Prints `up` once the call stands. When its input ends it hangs up and prints one line of JSON: for both ways (`to_callee`,
`to_caller`) when each packet arrived, in microseconds since 1970 by the kernel's clock, and whether the call `ended` well.
"""

import json
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "e2e"))
import wire  # noqa: E402

HOST = "127.0.0.1"
PACKET_S, REPEAT_S = 0.02, 0.5
PATIENCE_S = 40
TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)


class Phone:
    """One end of the call."""

    def __init__(self, name, port, exchange):
        self.name, self.exchange = name, (HOST, exchange)
        self.sip, self.rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.sip.bind((HOST, port))
        self.rtp.bind((HOST, 0))
        self.rtp.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        self.port, self.number, self.target = port, 0, None
        self.arrived, self.repeated, self.again_at = [], None, 0.0

    def sdp(self):
        """What it says of its media."""
        return (f"v=0\r\no={self.name} 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
                f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")

    def send(self, lines, body="", repeat=False):
        """Sends a message, and again until something is heard, where that is wanted."""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        raw = ("\r\n".join(lines) + f"\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}").encode()
        self.sip.sendto(raw, self.exchange)
        if repeat:
            self.repeated, self.again_at = raw, time.monotonic() + REPEAT_S

    def repeat(self):
        """Sends again what waits, if it is time."""
        if self.repeated and time.monotonic() >= self.again_at:
            self.sip.sendto(self.repeated, self.exchange)
            self.again_at = time.monotonic() + REPEAT_S

    def learn(self, message):
        """Where the other's media is to go."""
        if b"m=audio " in message.body:
            self.target = (HOST, int(message.body.split(b"m=audio ")[1].split()[0]))

    def say(self):
        """One packet of RTP."""
        if self.target:
            self.number += 1
            head = struct.pack(">BBHII", 128, 0, self.number & 0xFFFF, self.number * 160 & 0xFFFFFFFF, self.port)
            self.rtp.sendto(head + b"\xff" * 160, self.target)

    def hear(self):
        """Takes a packet of RTP; when it arrived is what the kernel says."""
        data, extra, _, _ = self.rtp.recvmsg(2048, 64)
        for level, kind, value in extra:
            if (level, kind) == (socket.SOL_SOCKET, TIMESTAMPNS) and len(data) >= 12:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                self.arrived.append(seconds * 1_000_000 + nanoseconds // 1000)

    def answer(self, request, status, body=""):
        """Answers a request."""
        to = request.one("to")
        tag = "" if ";tag=" in to else f";tag={self.name}"
        self.send([f"SIP/2.0 {status} Said", *(f"Via: {via}" for via in request.all("via")), f"From: {request.one('from')}",
                   f"To: {to}{tag}", f"Call-ID: {request.one('call-id')}", f"CSeq: {request.one('cseq')}",
                   f"Contact: <sip:{self.name}@{HOST}:{self.port}>"], body, repeat=bool(body))


class Call:
    """The call between them."""

    def __init__(self, exchange, number, caller, callee):
        self.caller, self.callee = Phone("sound-caller", caller, exchange), Phone("sound-callee", callee, exchange)
        self.number, self.exchange = number, exchange
        self.identity = f"sound-{caller}-{os.getpid()}@caller.example"
        self.remote, self.uri, self.up = "", "", False
        # Who has heard of the end: the caller by its 200, the callee by its BYE.
        self.over = set()

    def request(self, method, cseq, body="", repeat=True):
        """A request of the caller's."""
        uri = self.uri or f"sip:{self.number}@{HOST}:{self.exchange}"
        self.caller.send([f"{method} {uri} SIP/2.0",
                          f"Via: SIP/2.0/UDP {HOST}:{self.caller.port};branch=z9hG4bK-{method}-{cseq}-{os.getpid()}",
                          f"From: <sip:+15559990000@caller.example>;tag=sound", f"To: <sip:{self.number}@{HOST}>{self.remote}",
                          f"Call-ID: {self.identity}", f"CSeq: {cseq} {method}", f"Contact: <sip:caller@{HOST}:{self.caller.port}>",
                          "Max-Forwards: 70"], body, repeat)

    def caller_hears(self, message):
        """A response to the caller."""
        if message.status >= 200:
            self.caller.repeated = None
        elif message.status:
            # RFC 3261 section 17.1.1.2: no repeats once anything was heard.
            self.caller.repeated = None if message.method == "INVITE" else self.caller.repeated
        if message.method == "INVITE" and message.status == 200:
            self.caller.learn(message)
            self.remote = f";tag={message.tag('to')}"
            self.uri = message.one("contact").partition("<")[2].partition(">")[0]
            self.request("ACK", 1, repeat=False)
            self.up = True
        elif message.method == "BYE" and message.status == 200:
            self.over.add("caller")

    def callee_hears(self, message):
        """A request to the callee."""
        if message.method == "INVITE":
            self.callee.learn(message)
            self.callee.answer(message, 180)
            self.callee.answer(message, 200, self.callee.sdp())
        elif message.method == "ACK":
            self.callee.repeated = None
        elif message.is_request:
            self.callee.answer(message, 200)
            self.over |= {"callee"} if message.method == "BYE" else set()

    def turn(self, until):
        """Serves all sockets until a time."""
        handlers = {self.caller.sip: self.caller_hears, self.callee.sip: self.callee_hears}
        phones = {self.caller.rtp: self.caller, self.callee.rtp: self.callee}
        while (left := until - time.monotonic()) > 0:
            for ready in select.select([*handlers, *phones], [], [], left)[0]:
                if ready in phones:
                    phones[ready].hear()
                else:
                    message = wire.parse(ready.recv(65535), False)
                    if message:
                        handlers[ready](message)

    def run(self):
        """From INVITE to BYE."""
        self.request("INVITE", 1, self.caller.sdp())
        told, leaving, clock, end = False, False, time.monotonic(), None
        while len(self.over) < 2 and (end is None or time.monotonic() < end):
            clock = max(clock + PACKET_S, time.monotonic() - 1)
            self.turn(clock)
            for phone in (self.caller, self.callee):
                phone.say()
                phone.repeat()
            if self.up and not told:
                print("up", flush=True)
                told = True
            if not leaving and select.select([sys.stdin], [], [], 0)[0]:
                leaving, end = True, time.monotonic() + PATIENCE_S
                self.request("BYE", 2)
        print(json.dumps({"to_callee": self.callee.arrived, "to_caller": self.caller.arrived, "ended": len(self.over) == 2}), flush=True)


if __name__ == "__main__":
    Call(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).run()

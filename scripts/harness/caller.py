"""One phone that calls, by UDP, without SIPp: for the moment at which a new call is answered."""

import re
import socket
import time

HOST = "127.0.0.1"
# RFC 3261's T1, seconds.
T1 = 0.5
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


class Caller:
    """Calls through an exchange, from a port that it knows as a trunk's."""

    def __init__(self, exchange_port, port):
        self.exchange = (HOST, exchange_port)
        self.port, self.calls = port, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, port))
        self.socket.settimeout(0.01)

    def call(self, number, seconds):
        """Calls, and hangs up once it was answered: when the 200 came, seconds since 1970; None where none came in time."""
        answer, at = self.begin(number, seconds)
        if answer is not None:
            self.end(answer)
        return at

    def begin(self, number, seconds):
        """Calls: (the 200, when it came), or nothing."""
        self.calls += 1
        target = f"sip:{number}@{HOST}:{self.exchange[1]}"
        invite = self.request("INVITE", target, f"<{target}>", 1, "i", SDP)
        answer, at = self.ask(invite, "INVITE", seconds)
        if answer is not None:
            self.socket.sendto(self.request("ACK", *remote(answer), 1, "a"), self.exchange)
        return answer, at

    def end(self, answer):
        """Hangs up the call that was answered so: whether that was confirmed."""
        return self.ask(self.request("BYE", *remote(answer), 2, "b"), "BYE", 10)[0] is not None

    def request(self, method, uri, to, cseq, branch, body=""):
        """One request of the call at hand."""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{branch}{self.calls}-{time.time_ns()}\r\n"
                f"From: <sip:caller@{HOST}:{self.port}>;tag=c{self.calls}\r\nTo: {to}\r\nCall-ID: caller-{self.calls}-{self.port}@{HOST}\r\n"
                f"CSeq: {cseq} {method}\r\nContact: <sip:caller@{HOST}:{self.port}>\r\nMax-Forwards: 70\r\n{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def ask(self, request, method, seconds):
        """Sends until something final comes, as a client transaction does: (the 200, when it came), or nothing."""
        end, again, pause = time.time() + seconds, 0.0, T1
        heard = False
        while time.time() < end:
            if time.time() >= again and not heard:
                self.socket.sendto(request, self.exchange)
                again, pause = time.time() + pause, pause * 2
            try:
                answer = self.socket.recv(65535).decode(errors="replace")
            except TimeoutError:
                continue
            if header(answer, "CSeq").endswith(method) and f"caller-{self.calls}-" in header(answer, "Call-ID"):
                status = int(answer.split(" ", 2)[1]) if answer.startswith("SIP/2.0 ") else 0
                if 200 <= status < 300:
                    return answer, time.time()
                if status >= 300:
                    raise RuntimeError(f"a new call was refused: {answer.splitlines()[0]}")
                heard = heard or status >= 100
        return None, None


def remote(answer):
    """Where the other side of a call wants requests, and its To."""
    return re.search(r"<([^>]*)>", header(answer, "Contact"))[1], header(answer, "To")


def header(message, name):
    """A header's value; empty where there is none."""
    for line in message.split("\r\n")[1:]:
        if line.lower().startswith(name.lower() + ":"):
            return line.partition(":")[2].strip()
    return ""

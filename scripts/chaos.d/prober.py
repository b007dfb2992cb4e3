"""How long the exchange does not serve after a kill: OPTIONS every few milliseconds until the first 200."""

import socket
import threading
import time

# Resolution of what is measured, in seconds.
EVERY = 0.005
HOST = "127.0.0.1"


class Prober:
    """Asks at one listener of the exchange's."""

    def __init__(self, exchange_port):
        self.exchange_port = exchange_port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.asked, self.answered_at, self.thread = 0, None, None

    def request(self):
        """One OPTIONS, unlike any other."""
        self.asked += 1
        return (f"OPTIONS sip:{HOST}:{self.exchange_port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bKprobe{self.asked}\r\n"
                f"From: <sip:prober@{HOST}>;tag=prober\r\nTo: <sip:{HOST}:{self.exchange_port}>\r\n"
                f"Call-ID: probe-{self.asked}@{HOST}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()

    def heard(self):
        """The start of what came; nothing where nothing came."""
        try:
            return self.socket.recv(65535)[:12]
        except OSError:
            return b""

    def begin(self, seconds):
        """Asks, from now on, until an answer comes or the time is over."""
        while self.heard():
            pass
        self.answered_at = None

        def run():
            end = time.time() + seconds
            while time.time() < end:
                try:
                    self.socket.sendto(self.request(), (HOST, self.exchange_port))
                except OSError:
                    pass
                until = time.time() + EVERY
                while time.time() < until:
                    if self.heard() == b"SIP/2.0 200 ":
                        self.answered_at = time.time()
                        return
                    time.sleep(EVERY / 5)
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def answered(self):
        """When the first answer came, seconds since 1970; None where none came in time."""
        self.thread.join()
        return self.answered_at

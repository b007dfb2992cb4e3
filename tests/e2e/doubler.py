"""A network that delivers everything twice."""

import socket
import threading


class Doubler(threading.Thread):
    """Passes datagrams on to the exchange, each twice. Answers go to the phone directly: its Via says where (RFC 3261, 18.2.2)."""

    def __init__(self, towards):
        super().__init__(daemon=True)
        self.towards = towards
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        """Until the process ends."""
        while True:
            data = self.socket.recv(65535)
            for _ in range(2):
                self.socket.sendto(data, ("127.0.0.1", self.towards))

#!/usr/bin/env python3
"""A service manager with a store for descriptors, as sd_notify(3) and sd_listen_fds(3) describe it: starts a program, keeps what
that hands over, starts it again with it when it was killed.

    service_manager.py PROGRAM [ARGUMENT...]
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile

FIRST = 3
# The longest message, bytes; one brings one descriptor.
LONGEST = 4096


class Manager:
    """One service and what is held for it."""

    def __init__(self, command, folder):
        self.command, self.address = command, os.path.join(folder, "notify")
        self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.heard.bind(self.address)
        # The program waits for us where this is full, as for systemd.
        self.heard.settimeout(0.01)
        self.store, self.process, self.stopping = [], None, False

    def start(self):
        """Starts the program with all that is held."""
        names = ":".join(name for name, _ in self.store)
        held = [os.dup(descriptor) for _, descriptor in self.store]
        # Out of the way of the places where they are to be.
        high = max([FIRST + len(held), *held]) + 1
        away = [os.dup2(descriptor, high + index) for index, descriptor in enumerate(held)]

        def place():
            for index, descriptor in enumerate(away):
                os.dup2(descriptor, FIRST + index)
            # Else the descriptors that are not meant for it would be there too.
            os.closerange(FIRST + len(away), high + len(away) + 1)

        given = {"LISTEN_FDS": str(len(away)), "LISTEN_FDNAMES": names} if away else {}
        environment = {**os.environ, **given, "NOTIFY_SOCKET": self.address}
        command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *self.command]
        self.process = subprocess.Popen(command, env=environment, preexec_fn=place, close_fds=False)
        for descriptor in (*held, *away):
            os.close(descriptor)

    def listen(self):
        """Takes one message."""
        try:
            text, descriptors, _, _ = socket.recv_fds(self.heard, LONGEST, 4)
        except TimeoutError:
            return
        said = dict(line.partition("=")[::2] for line in text.decode().splitlines())
        name = said.get("FDNAME", "stored")
        if "FDSTOREREMOVE" in said:
            for _, descriptor in [held for held in self.store if held[0] == name]:
                os.close(descriptor)
            self.store = [held for held in self.store if held[0] != name]
        if "FDSTORE" in said:
            # In front, as systemd does it.
            self.store = [(name, descriptor) for descriptor in descriptors] + self.store

    def serve(self):
        """Until the program ends of its own accord: its exit code."""
        signal.signal(signal.SIGTERM, self.stop)
        self.start()
        while True:
            self.listen()
            code = self.process.poll()
            if code is not None and (code >= 0 or self.stopping):
                return max(code, 0)
            if code is not None:
                self.start()

    def stop(self, *_):
        """Asks the program to end."""
        self.stopping = True
        self.process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="service-manager-") as where:
        sys.exit(Manager(sys.argv[1:], where).serve())

"""A telephone of pjsua2's: the library comes from PyPI, the phone is tests/e2e/pjsua_phone.py."""

import json
import os
import subprocess
import sys

import sound

from . import exchange, phone, processes

PACKAGE = "pjsua2-python==2.15.1.post1"
PROGRAM = os.path.join(exchange.REPOSITORY, "tests", "e2e", "pjsua_phone.py")
END_STATES = {"CONFIRMED": "established", "DISCONNECTED": "over", "EARLY": "ringing"}


def library():
    """The folder to import pjsua2 from; it is installed there once."""
    folder = os.path.join(exchange.REPOSITORY, "target", "e2e-python", f"{PACKAGE}-{sys.version_info[0]}.{sys.version_info[1]}")
    if not os.path.isdir(os.path.join(folder, "pjsua2")):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--upgrade",
                        "--root-user-action", "ignore", "--disable-pip-version-check", "--target", folder, PACKAGE], check=True)
    return folder


class Pjsua(phone.Phone):
    """One running phone."""

    def __init__(self, folder, name, password, domain, proxy, port, media, transport, wav, expires=300, control=None):
        super().__init__(name)
        os.makedirs(folder)
        self.folder, self.port, self.transport = folder, port, transport
        self.trace = os.path.join(folder, "pjsua.log")
        paths = {kind: os.path.join(folder, f"{kind}.wav") for kind in ("said", "heard")}
        settings = {"user": name, "password": password, "domain": domain, "proxy": proxy, "port": port, "media": media,
                    "transport": transport, "voice": wav, "log": self.trace, "expires": expires, **paths}
        self.recorded = {kind: sound.Recording(path) for kind, path in paths.items()}
        self.recorded["arrived"] = self.recorded["heard"]
        environment = dict(os.environ, PYTHONPATH=library())
        with open(os.path.join(folder, "output"), "wb") as output:
            self.process = subprocess.Popen(processes.fastest([sys.executable, PROGRAM, json.dumps(settings)], -10), cwd=folder, env=environment,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output)
        self.listen(event for line in self.process.stdout for event in told(line))
        self.wait("ready")

    def order(self, what, **particulars):
        """Tells the phone to do something."""
        self.process.stdin.write(json.dumps({"do": what, **particulars}).encode() + b"\n")
        self.process.stdin.flush()

    def register(self):
        """Registers; returns the status that it got."""
        self.order("register")
        return self.wait("registration")["status"]

    def unregister(self):
        """Registers no longer; returns the status that it got."""
        self.order("unregister")
        return self.wait("registration")["status"]

    def call(self, uri):
        """Calls somebody; returns the call."""
        self.order("call", to=uri)
        return self.wait("dialled")["call"]

    def incoming(self, seconds=phone.PATIENCE):
        """Waits until it rings; returns the call."""
        return self.wait("incoming", seconds)["call"]

    def answer(self, call):
        """Picks up."""
        self.order("answer", call=call)

    def decline(self, call, status=486):
        """Refuses a call that rings."""
        self.order("answer", call=call, status=status)

    def hang_up(self, call):
        """Ends a call."""
        self.order("hangup", call=call)

    @staticmethod
    def status_of(event):
        """The status by which a call ended."""
        return event["status"]

    def send_digit(self, call, digit):
        """Presses a key."""
        self.order("digit", call=call, digit=digit)

    def transferred(self, call):
        """Waits until a transfer that we asked for has ended; returns the status."""
        return self.wait("transfer", call=call, final=True)["status"]

    def left(self, call):
        """Leaves a call that was transferred, unless it is over already."""
        if not any(event["event"] == "over" and event["call"] == call for event in self.events):
            self.hang_up(call)
            self.over(call)

    def hold(self, call):
        """Puts a call on hold."""
        self.order("hold", call=call)
        self.wait("media", call=call, media="held by us")

    def resume(self, call):
        """Takes a call from hold."""
        self.order("resume", call=call)
        self.wait("media", call=call, media="active")

    def transfer(self, call, uri):
        """Asks the other end to call somebody else."""
        self.order("transfer", call=call, to=uri)

    def transfer_attended(self, call, other):
        """Asks the other end of a call to take the place of us in another."""
        self.order("transfer attended", call=call, other=other)

    def recordings(self, kind):
        """What was recorded of that kind."""
        return [self.recorded[kind]]

    def finish(self):
        """Ends it; returns whether it ended by itself."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
            return True
        except subprocess.TimeoutExpired:
            processes.stop(self.process, 2)
            return False


def told(line):
    """The events in a line of the phone's output, with calls' states under the names that all phones share."""
    try:
        event = json.loads(line)
    except ValueError:
        return
    yield event
    if event["event"] == "state" and event["state"] in END_STATES:
        yield {**event, "event": END_STATES[event["state"]]}

#!/usr/bin/env python3
"""What is kept beside the log for the next start: bindings and numbers are called by it after a kill, whatever came since
counts, damage costs time alone, and an erasure destroys it.
"""

import argparse
import os
import shutil
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))
from harness import caller, exchange, processes, sipp  # noqa: E402

DOMAIN = "kept.example"
FILES = ("bindings.kept", "numbers.kept")
# The first file is made some seconds after a start.
PATIENCE_S = 30


class Stage:
    """An exchange, a phone that answers, and one that calls."""

    def __init__(self, folder, binary):
        ports = processes.free_port(23060)
        self.phone_port, caller_port = processes.free_port(ports + 1), processes.free_port(ports + 2)
        self.exchange = exchange.Exchange(os.path.join(folder, "x"), ports, processes.free_port(18580), "24300-24399", binary=binary)
        self.phone = sipp.Sipp(os.path.join(TOP, "scripts", "bench.d", "uas.xml"), folder, self.phone_port, [], "uas")
        sipp.wait_listening(self.phone_port, self.phone.process, "SIPp's phone")
        self.caller = caller.Caller(ports, caller_port)
        self.exchange.trunk(name="carrier", kind="carrier", addresses=[f"127.0.0.1:{caller_port}"])
        self.exchange.request("POST", "/v1/domains", {"name": DOMAIN})
        self.passed, self.failed = 0, 0

    def check(self, holds, what):
        """Counts one."""
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        print(f"{'ok    ' if holds else 'FAILED'} {what}")

    def user(self, name, number):
        """A user with a binding, and a number that rings it; answers the binding."""
        self.exchange.number(number, f"sip:{name}@{DOMAIN}")
        return self.bind(name, self.phone_port)

    def bind(self, name, port):
        """Binds a user to where a phone listens."""
        return self.exchange.request("POST", "/v1/registrations", {"aor": f"{name}@{DOMAIN}", "contact": f"sip:{name}@127.0.0.1:{port}"})

    def unbind(self, name, binding):
        """Ends a binding."""
        self.exchange.request("DELETE", f"/v1/registrations/{name}@{DOMAIN}/bindings/{binding['id']}")

    def path(self, name):
        """A file in the data folder."""
        return os.path.join(self.exchange.data, name)

    def kept(self):
        """Whether both files are there."""
        return all(os.path.exists(self.path(name)) for name in FILES)

    def wait_kept(self):
        """Until both files are there."""
        processes.wait_until(self.kept, PATIENCE_S, "what is kept", self.exchange.process, 0.05)

    def dies(self):
        """Killed, and started again."""
        self.exchange.process.kill()
        self.exchange.process.wait()
        self.exchange.start()

    def answers(self, number):
        """Whether a call to the number is answered."""
        try:
            return self.caller.call(number, 5) is not None
        except RuntimeError:
            # It was refused.
            return False


def run(stage):
    """One story."""
    numbers = {name: f"+1556000000{digit}" for digit, name in enumerate(("ann", "bob", "cid", "dot"))}
    bindings = {name: stage.user(name, numbers[name]) for name in ("ann", "bob", "cid")}
    stage.wait_kept()
    inodes = [os.stat(stage.path(name)).st_ino for name in FILES]
    stage.unbind("bob", bindings["bob"])
    stage.unbind("cid", bindings["cid"])
    stage.bind("cid", stage.phone_port)
    stage.user("dot", numbers["dot"])
    stage.dies()
    stage.check(inodes == [os.stat(stage.path(name)).st_ino for name in FILES], "the files of before the changes are those that the start finds")
    for name, rings in (("ann", True), ("bob", False), ("cid", True), ("dot", True)):
        stage.check(stage.answers(numbers[name]) == rings, f"after a kill {name} is {'' if rings else 'not '}reached")
    for name in FILES:
        with open(stage.path(name), "r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(bytes(10))
    stage.dies()
    damaged = [os.stat(stage.path(name)).st_ino for name in FILES]
    stage.check(stage.answers(numbers["ann"]), "with damaged files too")
    anew = lambda: all(os.stat(stage.path(name)).st_ino != inode for name, inode in zip(FILES, damaged))  # noqa: E731
    processes.wait_until(anew, PATIENCE_S, "files in place of the damaged ones", stage.exchange.process, 0.2)
    stage.check(True, "which are made anew soon")
    stage.exchange.wait_caught_up()
    session = stage.exchange.request("GET", "/v1/sessions?limit=1")["items"][0]["id"]
    stage.exchange.request("POST", "/v1/erasures", {"session": session})
    stage.check(not any(os.path.exists(stage.path(name)) for name in FILES), "an erasure destroys what is kept")
    stage.wait_kept()
    stage.dies()
    stage.check(stage.answers(numbers["ann"]) and stage.answers(numbers["cid"]), "what is kept anew serves as well")


def main():
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="the exchange (default: target/release/strowger)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-kept-")
    stage = Stage(folder, options.binary)
    try:
        run(stage)
    finally:
        stage.phone.finish()
        stage.exchange.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{stage.passed} passed, {stage.failed} failed")
    return 1 if stage.failed else 0


if __name__ == "__main__":
    sys.exit(main())

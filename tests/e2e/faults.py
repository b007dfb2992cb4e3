#!/usr/bin/env python3
"""What the exchange does, and says, when the machine around it fails: seen from outside, with SIPp on both sides.

    tests/e2e/faults.py [--only NAME] [--binary PROGRAM]

Each case starts an exchange of its own, lets a call stand, breaks something, and looks at what becomes of the call that stands, of
new ones, and of what the process says. Disks fail by a library that is preloaded below the exchange
(tests/it/event_log/disk/failing_disk.c). ARCHITECTURE.md has the table of all faults and of the tests that hold each.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import load  # noqa: E402  (finds the harness)
import messages  # noqa: E402
from harness import exchange, processes, sipp  # noqa: E402

FAILING_DISK = os.path.join(os.path.dirname(HERE), "it", "event_log", "disk", "failing_disk.c")
NUMBER = load.NUMBER
# A process that does nothing but wait takes less of a processor than this.
IDLE = 0.3

STANDS = {
    # Who hangs up is left to the exchange, or to the caller after so many milliseconds.
    "caller": "{{invite}}\n<recv response=\"100\" optional=\"true\"></recv>\n<recv response=\"180\" optional=\"true\"></recv>\n"
              "{{answered}}\n{{ack}}\n{{got BYE}}\n{{caller_answers}}\n{{linger 1000}}\n",
    "callee": "{{invited}}\n{{rings}}\n{{answers}}\n{{got ACK}}\n{{got BYE}}\n{{confirms}}\n{{linger 1000}}\n",
}


class Stage:
    """One exchange, the callee behind it, and callers."""

    def __init__(self, folder, binary, settings="", arguments=(), supervised=False, environment=None, wrap=()):
        os.makedirs(folder)
        self.folder, self.calls = folder, 0
        self.sip_port = processes.free_port(16360)
        self.ports = iter(range(self.sip_port + 10, self.sip_port + 400))
        self.callee_port, self.caller_ports = self.port(), [self.port() for _ in range(60)]
        with environed(environment or {}):
            self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), self.sip_port, processes.free_port(18380), binary=binary,
                                              settings=settings, arguments=arguments, supervised=supervised, wrap=wrap)
        self.exchange.trunk(name="carrier", kind="carrier", addresses=[f"127.0.0.1:{port}" for port in self.caller_ports])
        self.exchange.number(NUMBER, f"sip:pbx@127.0.0.1:{self.callee_port}")
        self.callee = self.phone("callee", "callee", self.callee_port, [])
        sipp.wait_listening(self.callee_port, self.callee.process, "the callee")

    def port(self):
        """A free port that no other phone here has."""
        return next(filter(processes.is_free, self.ports))

    def phone(self, name, scenario, port, extra):
        """A SIPp."""
        if scenario in STANDS:
            path = os.path.join(self.folder, f"{name}.xml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(messages.expand(f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{STANDS[scenario]}</scenario>\n', {}))
        else:
            path = os.path.join(load.SCENARIOS, scenario)
        numbers = os.path.join(self.folder, "numbers.csv")
        with open(numbers, "w", encoding="ascii") as file:
            file.write(f"SEQUENTIAL\n{NUMBER};\n")
        return sipp.Sipp(path, self.folder, port, ["-s", NUMBER, "-inf", numbers, *extra], name)

    def calling(self, count, hold_ms, rate=50, scenario="uac.xml"):
        """A caller of so many calls that hang up after a time; or, with `caller`, never do."""
        self.calls += 1
        name, port = f"caller-{self.calls}", self.caller_ports[self.calls % len(self.caller_ports)]
        return self.phone(name, scenario, port, [f"127.0.0.1:{self.sip_port}", "-m", str(count), "-r", str(rate), "-rp", "1000", "-d", str(hold_ms),
                                                 "-l", "10000", "-trace_msg", "-message_file", os.path.join(self.folder, f"{name}.messages")])

    def stand(self, count=1, hold_ms=6000, scenario="uac.xml"):
        """A caller whose calls are up."""
        caller = self.calling(count, hold_ms, scenario=scenario)
        processes.wait_until(lambda: self.exchange.metric("strowger_live_sessions") >= count, 15, "calls up", self.exchange.process, 0.1)
        time.sleep(0.3)
        return caller

    def one(self, hold_ms=100, wait=15):
        """One more call: `done`, or the status that it was refused with."""
        caller = self.calling(1, hold_ms)
        caller.wait(wait)
        if caller.counted().get("SuccessfulCall(C)") == 1:
            return "done"
        with open(os.path.join(self.folder, f"{caller.name}.messages"), encoding="utf-8", errors="replace") as file:
            said = [line.split()[1] for line in file if line.startswith("SIP/2.0 ")]
        return next((status for status in reversed(said) if status >= "200"), "no answer")

    def said(self):
        """What the exchange wrote to its output."""
        with open(os.path.join(self.exchange.folder, "strowger.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def busy(self, seconds=1.0):
        """How much of a processor the exchange takes."""
        before = processes.cpu_us([self.exchange.process.pid])
        time.sleep(seconds)
        return (processes.cpu_us([self.exchange.process.pid]) - before) / 1e6 / seconds

    def end(self):
        """Ends everything; the exit code of the exchange."""
        self.callee.finish(1)
        processes.stop(self.exchange.process, 20)
        return self.exchange.process.returncode


@contextlib.contextmanager
def environed(more):
    """More environment for what is started within."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Report:
    """Counts what holds, one line each."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, what):
        print("ok    " if holds else "FAILED", what, flush=True)
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        return holds


def done(caller, seconds=40):
    """Whether all calls of a caller came to their ends."""
    caller.wait(seconds)
    return not caller.counted().get("FailedCall(C)", 1) and caller.counted().get("SuccessfulCall(C)", 0) > 0


class FailingDisk:
    """The library, and the file whose being there makes the disk fail."""

    def __init__(self, folder, name):
        self.library, self.command = os.path.join(folder, "failing_disk.so"), os.path.join(folder, name.lower())
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, FAILING_DISK, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": self.library, name: self.command}

    def fails(self):
        """From here on."""
        with open(self.command, "w", encoding="ascii"):
            pass

    def works(self):
        """Again."""
        os.unlink(self.command)


def a_full_disk(folder, options, report):
    """No space for another segment: new calls get 503, calls that stand wait and go on."""
    disk = FailingDisk(folder, "NO_SPACE")
    stage = Stage(os.path.join(folder, "full"), options.binary, "[log]\nsegment_mib = 1\n", environment=disk.environment)
    try:
        standing = stage.stand(hold_ms=9000)
        disk.fails()
        answer = "done"
        for _ in range(40):
            done(stage.calling(20, 50, 200), 5)
            if (answer := stage.one()) != "done":
                break
        report(answer == "503", f"disk full: a new call gets 503 ({answer})")
        words = ("the disk is full: free some space", "no keys could be made for new sessions")
        report(any(word in stage.said() for word in words), "disk full: it says so")
        disk.works()
        report(done(standing), "disk full: the call that stood ended by BYE once there was space")
        processes.wait_until(lambda: stage.one() == "done", 15, "a call after it", stage.exchange.process)
        report(stage.exchange.metric("strowger_frozen_streams") == 0, "disk full: new calls are taken again, and no stream is frozen")
    finally:
        stage.end()


def a_failed_sync(folder, options, report):
    """What fdatasync refused is not believed: the worker ends with 70, the next one takes the calls up."""
    disk = FailingDisk(folder, "FAILING_SYNC")
    stage = Stage(os.path.join(folder, "sync"), options.binary, supervised=True, environment=disk.environment)
    try:
        standing = stage.stand(hold_ms=5000)
        worker = processes.tree_of(stage.exchange.process.pid)[1:]
        disk.fails()
        late = stage.calling(1, 100)
        processes.wait_until(lambda: "syncing a commit failed" in stage.said(), 10, "the end of the worker", every=0.05)
        disk.works()
        report("exit status: 70" in stage.said() or "70" in stage.said(), "fdatasync fails: the worker ends with 70 and says why")
        processes.wait_until(stage.exchange.ready, 20, "the next worker", stage.exchange.process)
        report(processes.tree_of(stage.exchange.process.pid)[1:] != worker, "fdatasync fails: the parent starts another")
        report(done(standing), "fdatasync fails: the call that stood ended by BYE")
        report(done(late), "fdatasync fails: so did the call that was in set-up")
    finally:
        stage.end()


def no_descriptors(folder, options, report):
    """Every descriptor is taken by connections: nothing spins, calls by UDP go on, and it recovers."""
    tcp = "[sip.tcp]\nconnections = 100000\nconnections_per_host = 100000\n"
    stage = Stage(os.path.join(folder, "descriptors"), options.binary, tcp, wrap=["prlimit", "--nofile=1200:1200"])
    held = []
    try:
        standing = stage.stand(hold_ms=6000)
        for _ in range(1500):
            try:
                held.append(socket.create_connection(("127.0.0.1", stage.sip_port), 0.5))
            except OSError:
                break
        processes.wait_until(lambda: "file descriptors" in stage.said(), 10, "that it says so")
        report(True, f"no descriptors: it says so ({len(held)} connections)")
        busy = stage.busy()
        report(busy < IDLE, f"no descriptors: nothing spins ({busy:.0%} of a processor)")
        report(done(standing), "no descriptors: the call that stood ended by BYE")
        report(stage.one() in ("done", "480", "503"), "no descriptors: a new call is done or refused")
        for connection in held:
            connection.close()
        processes.wait_until(stage.exchange.ready, 10, "HTTP after it", stage.exchange.process)
        report(stage.one() == "done", "no descriptors: HTTP and calls come again when there are some")
    finally:
        for connection in held:
            connection.close()
        stage.end()


def a_sigterm(folder, options, report):
    """Draining: new calls get 503, those that run may end, are ended then; a second SIGTERM does not wait."""
    for again, limit in ((False, 12), (True, 8)):
        stage = Stage(os.path.join(folder, f"term-{again}"), options.binary, arguments=["--drain", "60" if again else "3"])
        try:
            short, long = stage.stand(10, 1500), stage.stand(10, 0, "caller")
            began = time.monotonic()
            stage.exchange.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            if not again:
                report(stage.one() == "503", "SIGTERM: a new call gets 503")
                report(not stage.exchange.ready(), "SIGTERM: /readyz says no")
            report(done(short, 10), f"SIGTERM{' twice' if again else ''}: calls that end by themselves meanwhile do")
            if again:
                stage.exchange.process.send_signal(signal.SIGTERM)
            report(done(long, 15), f"SIGTERM{' twice' if again else ''}: calls that do not are ended by BYE")
            stage.exchange.process.wait(20)
            took = time.monotonic() - began
            report(stage.exchange.process.returncode == 0 and took < limit,
                   f"SIGTERM{' twice' if again else ''}: exit code 0 after {took:.1f} s")
        finally:
            stage.end()


def locks(folder, options, report):
    """The rows are locked by somebody: they wait, calls go on. The data folder has one exchange alone."""
    stage = Stage(os.path.join(folder, "locked"), options.binary)
    try:
        data = stage.exchange.data
        other = sqlite3.connect(os.path.join(data, "views", "sessions-1.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        report(stage.one() == "done", "a read model locked: calls go on")
        report(not stage.exchange.caught_up(), "a read model locked: the rows wait")
        other.execute("ROLLBACK")
        other.close()
        stage.exchange.wait_caught_up(15)
        report(True, "a read model locked: the rows catch up by themselves")
        code, said = start(stage.exchange, options.binary)
        report(code == 1 and "in use by another process: stop that one" in said, f"two exchanges in a folder: the second ends ({last_words(said)!r})")
        report(stage.one() == "done", "two exchanges in a folder: the first goes on")
    finally:
        stage.end()


def start(known, binary):
    """Starts an exchange with a configuration where one is not to come up; (exit code, what it says)."""
    command = [binary or exchange.default_binary(), "serve", "--config", known.config]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None, "it came up"
    return ended.returncode, ended.stdout + ended.stderr


def last_words(said):
    """The sentence that an exchange ends with."""
    return next((line for line in reversed(said.splitlines()) if line.startswith("strowger: ")), said[-200:])


def damage(path, at=0, length=100):
    """Writes over a part of a file."""
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * length)


def damaged_files(folder, options, report):
    """A damaged file is named, with what to do, and nothing is begun; what can be made again is."""
    stage = Stage(os.path.join(folder, "damaged"), options.binary)
    report(stage.one() == "done", "damaged files: a call before")
    stage.end()
    data = stage.exchange.data
    segment = next(os.path.join(data, "log", name) for name in sorted(os.listdir(os.path.join(data, "log"))) if name.endswith(".segment"))
    cases = [(os.path.join(data, "keyring.db"), 0, "keyring.db is damaged: restore it from a backup"),
             (segment, 4096 + 64, "is damaged at byte")]
    for path, at, words in cases:
        with open(path, "rb") as file:
            before = file.read()
        if path == segment:
            # What the index knows of is not read at the start: whoever reads there meets the damage.
            os.unlink(os.path.join(data, "log", "index.db"))
        for journal in (f"{path}-wal", f"{path}-shm"):
            if os.path.exists(journal):
                os.unlink(journal)
        damage(path, at)
        code, said = start(stage.exchange, options.binary)
        report(code == 1 and words in said, f"damaged {os.path.basename(path)}: code {code}, {last_words(said)!r}")
        with open(path, "wb") as file:
            file.write(before)
    with open(os.path.join(data, "log", "index.db"), "wb") as file:
        file.write(b"\xa5" * 8192)
    for journal in ("-wal", "-shm"):
        if os.path.exists(os.path.join(data, "views", "sessions-1.db" + journal)):
            os.unlink(os.path.join(data, "views", "sessions-1.db" + journal))
    damage(os.path.join(data, "views", "sessions-1.db"))
    os.unlink(os.path.join(data, "views", "routing-1.db"))
    stage.exchange.start()
    stage.exchange.wait_caught_up(15)
    rows = stage.exchange.request("GET", "/v1/sessions?state=ended")["items"]
    report(len(rows) == 1, f"a damaged index, rows that are damaged and rows that are gone are made again ({len(rows)} session)")
    stage.exchange.stop()


def a_folder_that_may_not_be_written(folder, options, report):
    """The log's folder belongs to somebody else: it does not begin, and says what it needs."""
    if os.geteuid() != 0:
        stranger = []
    else:
        stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    stage = Stage(os.path.join(folder, "read-only"), options.binary)
    stage.end()
    os.chmod(folder, 0o755)
    for path in (os.path.join(folder, "read-only"), stage.exchange.folder):
        os.chmod(path, 0o755)
    program = os.path.join(folder, "strowger")
    shutil.copy(options.binary or exchange.default_binary(), program)
    os.chmod(program, 0o755)
    for path in (stage.exchange.data, os.path.join(stage.exchange.data, "log")):
        os.chmod(path, 0o555)
    ended = subprocess.run([*stranger, program, "serve", "--config", stage.exchange.config], capture_output=True, text=True, timeout=30,
                           check=False, stdin=subprocess.DEVNULL)
    said = (ended.stdout + ended.stderr).strip()
    report(ended.returncode == 1 and "belongs to this user" in said, f"a folder that may not be written: code {ended.returncode}, {last_words(said)!r}")


CASES = (a_full_disk, a_failed_sync, no_descriptors, a_sigterm, locks, damaged_files, a_folder_that_may_not_be_written)


def main():
    """Runs them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="a part of a case's name")
    parser.add_argument("--binary", help="the program (target/release/strowger)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-faults-", dir="/var/tmp")
    report = Report()
    for case in CASES:
        if options.only and options.only not in case.__name__:
            continue
        try:
            case(folder, options, report)
        except (TimeoutError, RuntimeError, OSError, exchange.Refused) as error:
            report(False, f"{case.__name__}: {error}")
    if report.failed:
        print(f"traces: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())

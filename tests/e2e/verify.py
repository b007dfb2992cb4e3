#!/usr/bin/env python3
"""A log that was tampered with: SIPp calls run through the exchange, then its data folder is changed behind its back.

On both engines: `strowger verify` proves the log beside the running exchange and after it, also after an erasure; an altered
byte, a deleted row and a cut log are each found and named. And where the log is another process's, behind its door.
"""

import argparse
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load  # noqa: E402
from harness import log_server, processes  # noqa: E402

BLOCK = 4096
FRAME = b"SWF\x01"


class Checks:
    """What was checked, and how it came out."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def that(self, holds, what):
        """Counts one."""
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}")


def verify(binary, config, data=None, *more):
    """Runs `strowger verify`; returns its exit code and its JSON."""
    environment = dict(os.environ, STROWGER_LOG="off", **({"STROWGER_DATA": data} if data else {}))
    command = [binary, "verify", "--config", config, "--json", *more]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode == 2 and not ran.stdout:
        return 2, {"error": ran.stderr}
    return ran.returncode, json.loads(ran.stdout)


class Segments:
    """How a log in segments is changed behind its back."""

    @staticmethod
    def frames(data):
        """All frames: path, offset, first position, events, bytes."""
        folder = os.path.join(data, "log")
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".segment")):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content = file.read()
            at = BLOCK
            while content[at:at + 4] == FRAME:
                length, events, first = struct.unpack(">IIQ", content[at + 16:at + 32])
                yield path, at, first, events, 32 + length
                at += -(-(32 + length) // BLOCK) * BLOCK

    def middle(self, data):
        """A frame in the middle."""
        frames = list(self.frames(data))
        return frames[len(frames) // 2]

    def alter(self, data):
        """Flips one bit of the last byte of a commit; returns the positions that it may be named by."""
        path, at, first, events, size = self.middle(data)
        flip(path, at + size - 2)
        return range(first, first + events)

    def remove(self, data):
        """Makes a commit zeros, as if nothing had ever been there."""
        path, at, first, events, size = self.middle(data)
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes(size))
        return range(first, first + events)

    def cut(self, data):
        """Zeros from a commit on, and no index that remembers."""
        path, at, first, _, _ = self.middle(data)
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes(os.path.getsize(path) - at))
        folder = os.path.join(data, "log")
        for name in os.listdir(folder):
            if name.startswith("index.db") or (name.endswith(".segment") and int(name[:20]) > first):
                os.remove(os.path.join(folder, name))
        return range(first, first + 1)


class Sqlite:
    """How a log in SQLite is changed behind its back."""

    @staticmethod
    def middle(data):
        """A row in the middle: position, count, events."""
        with sqlite3.connect(os.path.join(data, "log.db")) as database:
            head, = database.execute("SELECT max(position) FROM log").fetchone()
            # A list of live streams is its client's alone: no notary covers it.
            find = ("SELECT position, count, events FROM log JOIN streams ON id = stream "
                    "WHERE position <= ? AND name NOT LIKE 'live-%' ORDER BY position DESC LIMIT 1")
            return database.execute(find, [head // 2]).fetchone()

    def alter(self, data):
        """Flips one bit of a row in the file."""
        position, count, events = self.middle(data)
        path = os.path.join(data, "log.db")
        with open(path, "rb") as file:
            content = file.read()
        # A row of several pages lies in pieces; its end, of some bytes, lies in one.
        tail, at = events[-60:], -1
        while (at := content.find(tail, at + 1)) >= 0:
            flip(path, at + 40)
        return range(position, position + count)

    def remove(self, data):
        """Deletes a row."""
        position, count, _ = self.middle(data)
        with sqlite3.connect(os.path.join(data, "log.db")) as database:
            database.execute("DELETE FROM log WHERE position = ?", [position])
            # Where nothing follows in its stream, what comes next is where it is missed; else, its successor.
            return range(self.gap(database, position), 1 << 62)

    def cut(self, data):
        """Deletes every row from one on."""
        position, _, _ = self.middle(data)
        with sqlite3.connect(os.path.join(data, "log.db")) as database:
            database.execute("DELETE FROM log WHERE position >= ?", [position])
            return range(self.gap(database, position), position + 1)

    @staticmethod
    def gap(database, position):
        """Where what is missing from that position on begins for a notary: notes of live streams before it are nothing to it."""
        find = ("SELECT coalesce(max(position + count), 1) FROM log JOIN streams ON id = stream "
                "WHERE position < ? AND name NOT LIKE 'live-%'")
        return database.execute(find, [position]).fetchone()[0]


def flip(path, at):
    """Flips one bit of a byte of a file."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def holding(data, text):
    """Files of a data folder that hold this text, also those that are being written."""
    found = []
    for folder, _, names in os.walk(data):
        for path in (os.path.join(folder, name) for name in names):
            with open(path, "rb") as file:
                if text.encode() in file.read():
                    found.append(os.path.relpath(path, data))
    return found


def erase(stage, checks, engine):
    """One of two calls is erased; returns what tells them apart later."""
    ask = stage.exchange.request
    rows = ask("GET", "/v1/sessions?limit=2")["items"]
    gone, stays = (one["id"] for one in rows)
    checks.that(holding(stage.exchange.data, rows[0]["call_id"]), f"{engine}: the Call-ID is in the tables before")
    done = ask("POST", "/v1/erasures", {"session": gone})
    left = [holding(stage.exchange.data, row["call_id"]) for row in rows]
    checks.that(not left[0] and left[1], f"{engine}: beside the exchange that runs, {left[0]} hold the Call-ID of what was erased")
    checks.that((done["sessions"], done["keys"]) == (1, 1) and done["completed_at"], f"{engine}: the erasure says what it did: {done}")
    checks.that(ask("GET", f"/v1/erasures/{done['id']}")["digest"] == done["digest"], f"{engine}: the erasure is shown")
    return gone, stays


def check_erased(stage, checks, engine, gone, stays):
    """What was erased is masked everywhere, what was not is there."""
    ask = stage.exchange.request
    rows = [ask("GET", f"/v1/sessions/{one}") for one in (gone, stays)]
    checks.that(rows[0].get("erased") and rows[0]["caller"] is None and rows[0]["end_cause"] == "completed", f"{engine}: {rows[0]} is masked")
    checks.that("erased" not in rows[1] and rows[1]["caller"], f"{engine}: {rows[1]} is not")
    told = [ask("GET", f"/v1/sessions/{one}/timeline?raw=1") for one in (gone, stays)]
    checks.that(told[0].get("erased") and "INVITE sip:" not in json.dumps(told[0]), f"{engine}: the timeline of what was erased holds no message")
    checks.that("INVITE sip:" in json.dumps(told[1]), f"{engine}: the timeline of another call does")
    checks.that("INVITE" in ask("GET", f"/v1/sessions/{gone}/ladder"), f"{engine}: the ladder of what was erased shows methods")


def check_nothing_proved(binary, config, folder, checks, engine):
    """What is not there is no pass, and a file that lacks roots is told."""
    for more in (["--from", "99999999"], ["--from", "100", "--to", "50"], ["--node", "7"]):
        code, found = verify(binary, config, None, *more)
        checks.that(code == 2 and "error" in found, f"{engine}: {more}: {found}")
    empty = os.path.join(folder, "empty.jsonl")
    with open(empty, "w", encoding="utf-8"):
        pass
    _, found = verify(binary, config, None, "--export", empty)
    checks.that(found["exported_roots"] == 0 and any("not in the exported file" in note for note in found["notes"]), f"{engine}: an emptied file: {found}")


def tamper(tools, engine, binary, config, data, checks):
    """Changes copies of the data folder, each in one way."""
    wanted = {"alter": {"altered", "unreadable"}, "remove": {"missing", "unreadable"}, "cut": {"truncated"}}
    for way, kinds in wanted.items():
        copy = f"{data}-{way}"
        shutil.copytree(data, copy)
        places = getattr(tools, way)(copy)
        code, found = verify(binary, config, copy)
        finding = found.get("finding") or {}
        print(f"{engine}, {way}: exit {code}, {finding.get('wrong')} at {finding.get('position')}, "
              f"{finding.get('stream')} revision {finding.get('revision')}: {finding.get('what')}")
        checks.that(code == 1 and finding.get("wrong") in kinds, f"{engine}, {way}: {found}")
        checks.that(finding.get("position") in places, f"{engine}, {way}: {finding.get('position')} is not in {places}")
        shutil.rmtree(copy)


def run(engine, options, folder, checks):
    """One engine, from calls to tampering."""
    tools = {"segments": Segments, "sqlite": Sqlite}[engine]()
    settings = f'[log]\nengine = "{engine}"\n[notary]\nevents = 100\nevery_s = 1\n'
    stage = load.Load(folder, options.binary, settings=settings, media=options.media)
    binary, config, data = stage.exchange.binary, stage.exchange.config, stage.exchange.data
    try:
        failed, _ = stage.run(options.calls, 40, 300)
        checks.that(failed == 0, f"{engine}: {failed} calls failed")
        stage.settle()
        code, found = verify(binary, config)
        checks.that(code == 0 and found["proved"] and found["roots"] > 0, f"{engine}: beside the exchange: {found}")
        copy = os.path.join(folder, "keyring.copy")
        shutil.copyfile(os.path.join(data, "keyring.db"), copy)
        gone, stays = erase(stage, checks, engine)
        check_erased(stage, checks, engine, gone, stays)
        checks.that(verify(binary, config)[0] == 0, f"{engine}: an erasure changes no hash")
        checks.that(stage.exchange.stop(), f"{engine}: the exchange ends by itself")
        code, found = verify(binary, config)
        checks.that(code == 0 and found["events"] == found["to"], f"{engine}: after its end: {found}")
        checks.that(found["unproved"] == [found["to"]] * 2, f"{engine}: all but the last root is proved: {found}")
        print(f"{engine}: {found['events']} events, {found['roots']} roots, {found['events_per_second']} events/s")
        key = subprocess.run([binary, "notary-key", "--config", config], capture_output=True, text=True, check=False).stdout.strip()
        checks.that(verify(binary, config, None, "--key", key)[0] == 0, f"{engine}: with the key that it prints: {key}")
        code, found = verify(binary, config, None, "--key", "ab" * 32)
        checks.that(code == 1 and found["finding"]["wrong"] == "root-foreign", f"{engine}: another key: {found}")
        check_nothing_proved(binary, config, folder, checks, engine)
        tamper(tools, engine, binary, config, data, checks)
        shutil.copyfile(copy, os.path.join(data, "keyring.db"))
        code, found = verify(binary, config)
        checks.that(code == 0 and any("1 keys that erasures destroyed" in note for note in found["notes"]), f"{engine}: a keyring from a copy: {found}")
        shutil.rmtree(os.path.join(data, "views"))
        stage.exchange.start()
        stage.settle()
        check_erased(stage, checks, f"{engine}, rebuilt", gone, stays)
    finally:
        stage.exchange.stop()
    checks.that(verify(binary, config)[0] == 0, f"{engine}: the second start goes on with the roots of the first")


def run_store(options, folder, checks):
    """The log is another process's: its file is changed while that does not run, and read through its door."""
    server = log_server.LogServer(os.path.join(folder, "log"), processes.free_port(18800), options.binary)
    servers = [server]
    settings = f'{server.settings}[notary]\nevents = 100\nevery_s = 1\n'
    try:
        stage = load.Load(folder, options.binary, settings=settings, media=options.media)
        binary, config = stage.exchange.binary, stage.exchange.config
        try:
            failed, _ = stage.run(options.calls, 40, 300)
            checks.that(failed == 0, f"store: {failed} calls failed")
            stage.settle()
            code, found = verify(binary, config)
            checks.that(code == 0 and found["proved"] and found["roots"] > 0, f"store: beside the exchange: {found}")
            session = stage.exchange.request("GET", "/v1/sessions?limit=1")["items"][0]["id"]
        finally:
            stopped = stage.exchange.stop()
        checks.that(stopped, "store: the exchange ends by itself")
        code, found = verify(binary, config)
        checks.that(code == 0 and found["unproved"] and found["unproved"][0] == found["unproved"][1], f"store: after its end: {found}")
        print(f"store: {found['events']} events, {found['roots']} roots, {found['events_per_second']} events/s")
        head = found["to"]
        told = [subprocess.run([binary, *command, "--config", config], capture_output=True, text=True, timeout=60, check=False)
                for command in (["replay", session], ["replay", session, "--decide"], ["export", session, "--format", "jsonl"])]
        checks.that([one.returncode for one in told] == [0, 0, 0], f"store: {[one.stderr for one in told]}")
        checks.that("INVITE" in told[0].stdout and "same decisions" in told[1].stdout and '"SessionEnded"' in told[2].stdout,
                    f"store: {[one.stdout[:400] for one in told]}")
        checks.that(verify(binary, config)[1]["to"] == head, "store: readers have written nothing")
        server.stop()
        code, found = verify(binary, config)
        checks.that(code == 2 and "cannot be used" in found["error"], f"store: while it is away: {found}")
        tools, data = Sqlite(), os.path.join(server.folder, "data")
        wanted = {"alter": {"altered"}, "remove": {"missing"}, "cut": {"truncated"}}
        for way, kinds in wanted.items():
            copy = os.path.join(folder, f"log-{way}")
            shutil.copytree(data, os.path.join(copy, "data"))
            places = getattr(tools, way)(os.path.join(copy, "data"))
            servers.append(log_server.LogServer(copy, server.port, options.binary))
            code, found = verify(binary, config)
            servers[-1].stop()
            finding = found.get("finding") or {}
            print(f"store, {way}: exit {code}, {finding.get('wrong')} at {finding.get('position')}, "
                  f"{finding.get('stream')} revision {finding.get('revision')}: {finding.get('what')}")
            checks.that(code == 1 and finding.get("wrong") in kinds, f"store, {way}: {found}")
            checks.that(finding.get("position") in places, f"store, {way}: {finding.get('position')} is not in {places}")
    finally:
        for one in servers:
            one.stop()


def main():
    """Runs both engines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="the exchange (default: target/release/strowger)")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--media", default="20000-29999", help="range of media ports")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    folder, checks = tempfile.mkdtemp(prefix="strowger-verify-"), Checks()
    try:
        for engine in ("segments", "sqlite"):
            os.makedirs(os.path.join(folder, engine))
            run(engine, options, os.path.join(folder, engine), checks)
        os.makedirs(os.path.join(folder, "store"))
        run_store(options, os.path.join(folder, "store"), checks)
    finally:
        if options.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())

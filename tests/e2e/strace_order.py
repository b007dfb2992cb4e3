#!/usr/bin/env python3
"""No SIP message leaves before the fdatasync that covers its event.

The exchange runs under strace with a light load. For each datagram with SIP in it that leaves for the first time (bytes and
destination not seen before), the log, read over HTTP afterwards, names the event of exactly these bytes on this flow. The
event's id, 16 bytes that nothing else has, stands in clear in the row that the log engine wrote: the first write into a segment
(or, with SQLite, the first page of the write-ahead log) that holds it is the append. trace.py says when that became durable. The
send must begin after that. Messages may be sealed in the log; ids never are. Ids that later events name as their cause come in
later writes or the same.
"""

import argparse
import os
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import history  # noqa: E402
import load  # noqa: E402
import trace  # noqa: E402
import wire  # noqa: E402

CALLS = "fdatasync,fsync,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,sendmmsg"


def judge(calls, logged):
    """What left too early or without an event; and how many first sends were looked at."""
    log = trace.log_of(calls)
    events = {}
    for one in logged:
        if one.sent and not one.repeats:
            events.setdefault((one.remote, one.raw), one.id)
    wrong, seen = [], set()
    for call in sorted(calls, key=lambda call: call.began):
        for destination, raw in trace.sent(call):
            message = wire.parse(raw, True)
            if message is None or (destination, raw) in seen:
                continue
            seen.add((destination, raw))
            name = f"'{message.start}' to {destination}"
            event = events.get((destination, raw))
            if event is None:
                wrong.append(f"{name} has no event")
                continue
            durable, why = log.durable_at(bytes.fromhex(event))
            if durable is None:
                wrong.append(f"{name}: its event {event} {why}")
            elif durable >= call.began:
                wrong.append(f"{name} left at line {call.began + 1}, its event was durable at line {durable + 1}")
    return wrong, len(seen)


class MadeUp:
    """A fabricated trace: two threads, one that logs and one that sends."""

    def __init__(self):
        self.lines, self.time = [], 0

    def line(self, pid, text):
        """One line of strace."""
        self.time += 1
        self.lines.append(f"{pid} 1795359346.{self.time:06d} {text}\n")
        return self

    def write(self, data, name="log.db-wal"):
        """A write by the log's thread."""
        return self.line(10, f'pwrite64(7<{shown(name.encode())}>, "{shown(data)}", {len(data)}, 0) = {len(data)}')

    def frame(self, mark, closes=True, size=4096):
        """A frame whose page holds a mark."""
        page = (b"\0" * 500 + mark).ljust(size, b"\0")
        return self.write(struct.pack(">II", 3, 5 if closes else 0) + b"\1" * 16).write(page)

    def page(self, data, closes):
        """A frame with a page as given."""
        return self.write(struct.pack(">II", 3, 5 if closes else 0) + b"\1" * 16).write(data)

    def commit(self, mark, number=1):
        """A commit that holds a mark, written into a segment."""
        return self.write((b"\0" * 500 + mark).ljust(4096, b"\0"), SEGMENT.format(number))

    def sync_segment(self, number=1):
        """A sync of that segment."""
        return self.sync(name=SEGMENT.format(number))

    def sync(self, result="0", name="log.db-wal"):
        """A sync by the log's thread."""
        return self.line(10, f"fdatasync(7<{shown(name.encode())}>) = {result}")

    def begin_sync(self):
        """The first half of a sync."""
        return self.line(10, f"fdatasync(7<{shown(b'log.db-wal')}> <unfinished ...>")

    def end_sync(self):
        """Its second half."""
        return self.line(10, "<... fdatasync resumed>) = 0")

    def send(self, data):
        """A send by the other thread."""
        return self.line(11, f'sendto(5<UDP:[127.0.0.1:5060]>, "{shown(data)}", {len(data)}, 0, {PEER}, 16) = {len(data)}')

    def send_two(self, first, second):
        """A vector of two messages, of which one was sent."""
        vector = ", ".join(f'{{msg_hdr={{msg_name={PEER}, msg_namelen=16, msg_iov=[{{iov_base="{shown(data[:5])}", iov_len=5}}, '
                           f'{{iov_base="{shown(data[5:])}", iov_len=9}}], msg_iovlen=2}}, msg_len=9}}' for data in (first, second))
        self.line(11, "sendmmsg(5<UDP:[127.0.0.1:5060]>, <unfinished ...>")
        return self.line(11, f"<... sendmmsg resumed>[{vector}], 2, 0) = 1")


SEGMENT = "/data/log/{:020}.segment"
PEER = '{sa_family=AF_INET, sin_port=htons(5080), sin_addr=inet_addr("127.0.0.1")}'


def shown(data):
    """Bytes as strace -xx shows them."""
    return "".join(f"\\x{byte:02x}" for byte in data)


def self_test():
    """The judge must accept what is right and find each kind of wrong; returns how many cases passed and failed."""
    mark, other = bytes(range(1, 17)), bytes(range(101, 117))
    say = b"SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n"
    ring = b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n"
    events = [history.Logged(1, mark.hex(), True, "127.0.0.1:5060", "127.0.0.1:5080", 0, say)]
    both = [*events, history.Logged(2, other.hex(), True, "127.0.0.1:5060", "127.0.0.1:5080", 0, ring)]
    head, tail = b"\0" * 4090 + mark[:6], b"\0\0\0\0" + mark[6:] + b"\0" * 4082
    cases = {
        "written, synced, sent": (0, MadeUp().frame(mark).sync().send(say), events),
        "sent again later": (0, MadeUp().frame(mark).sync().send(say).frame(other).send(say), events),
        "two frames in a commit": (0, MadeUp().frame(mark, False).frame(other).sync().send(say).send(ring), both),
        "a mark across two pages": (0, MadeUp().page(head, False).page(tail, True).sync().send(say), events),
        "a vector of which one was sent": (0, MadeUp().frame(mark).sync().send_two(say, ring), events),
        "sent before the write": (1, MadeUp().send(say).frame(mark).sync(), events),
        "sent before the sync": (1, MadeUp().frame(mark).send(say).sync(), events),
        "sent during the sync": (1, MadeUp().frame(mark).begin_sync().send(say).end_sync(), events),
        "written during the sync": (1, MadeUp().begin_sync().frame(mark).end_sync().send(say), events),
        "another file was synced": (1, MadeUp().frame(mark).sync(name="models.db-wal").send(say), events),
        "written into another file": (1, MadeUp().write(mark * 40, "models.db-wal").sync().send(say), events),
        "no commit yet": (1, MadeUp().frame(mark, False).sync().send(say).frame(other).sync(), events),
        "no event": (1, MadeUp().frame(mark).sync().send(ring), events),
        "half a mark": (1, MadeUp().page(head, True).sync().send(say), events),
        "a vector sent too early": (1, MadeUp().frame(mark).send_two(say, ring).sync(), events),
        "a commit in a segment": (0, MadeUp().commit(mark).sync_segment().send(say), events),
        "commits in two segments": (0, MadeUp().commit(mark).sync_segment().commit(other, 2).sync_segment(2).send(say).send(ring), both),
        "zeros into the spare": (0, MadeUp().write(b"\0" * 9, "/data/log/spare").commit(mark).sync_segment().send(say), events),
        "sent before the segment's sync": (1, MadeUp().commit(mark).send(say).sync_segment(), events),
        "another segment was synced": (1, MadeUp().commit(mark).sync_segment(2).send(say), events),
        "written after the segment's sync": (1, MadeUp().commit(other).sync_segment().commit(mark).send(say), events),
        "the spare holds it": (1, MadeUp().commit(other).sync_segment().write(mark * 40, "/data/log/spare").send(say), events),
        "the second was not covered": (1, MadeUp().frame(mark).sync().send(say).frame(other).send(ring).sync(), both),
    }
    failed = []
    for name, (wanted, made_up, logged) in cases.items():
        wrong, count = judge(trace.calls_of(made_up.lines), logged)
        if len(wrong) != wanted or count == 0:
            failed.append(name)
            print(f"FAILED self-test: {name}: {wrong}")
    try:
        judge(trace.calls_of(MadeUp().frame(mark).sync("-1 EIO (Input/output error)").send(say).lines), events)
        failed.append("a failed sync")
        print("FAILED self-test: a failed sync")
    except ValueError:
        pass
    return len(cases) + 1 - len(failed), len(failed)


def run(options, folder):
    """The load under strace, and the judgement."""
    path = os.path.join(folder, "trace")
    wrap = ["strace", "-f", "--seccomp-bpf", "-ttt", "-yy", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-e", "signal=none",
            "-o", path]
    # Small segments: strace shows each of the zeros that they are filled with.
    stage = load.Load(folder, options.binary, wrap, "[log]\nsegment_mib = 1")
    try:
        failed, _ = stage.run(options.calls, options.rate, 200)
        stage.settle()
        logged = history.messages(stage.exchange)
    finally:
        stage.exchange.stop()
    with open(path, encoding="ascii", errors="replace") as file:
        wrong, count = judge(trace.calls_of(file), logged)
    print(f"{options.calls} calls at {options.rate}/s: {count} first sends, {len(wrong)} wrong, {failed} calls failed")
    if failed:
        wrong.append(f"{failed} calls failed")
    # Each call has seven messages of ours: 100, INVITE, 180, 200, ACK, BYE, 200.
    if count < options.calls * 7:
        wrong.append(f"only {count} first sends were seen")
    return wrong


def main():
    """Self-test, then the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="how many (100)")
    parser.add_argument("--rate", type=int, default=20, help="calls a second (20)")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--self-test", action="store_true", help="only the judge's own test")
    options = parser.parse_args()
    passed, failed = self_test()
    if not options.self_test:
        folder = tempfile.mkdtemp(prefix="strowger-strace-", dir="/var/tmp")
        wrong = run(options, folder)
        for line in wrong[:40]:
            print(f"FAILED {line}")
        if wrong:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

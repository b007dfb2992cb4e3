#!/usr/bin/env python3
"""The capture equals the log: calls run through the exchange while tcpdump records; then the log is read over HTTP.

Every packet from or to the exchange must have its durable event (SHA-256 of its bytes, direction, flow), repeats counted;
what was sent must have been logged before it was seen on the wire; and every logged message must be in the capture.
"""

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import history  # noqa: E402
import load  # noqa: E402
import pcap  # noqa: E402
import wire  # noqa: E402


CREDENTIALS = re.compile(rb"^((?:proxy-)?authorization[ \t]*:[ \t]*)(?:[^\r\n]|\r?\n[ \t])*?(?=[ \t]*\r?\n(?![ \t]))", re.I | re.M)


def without_credentials(raw):
    """A message as the log keeps it: `masked` stands in the place of every credential, whoever sent it."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    return CREDENTIALS.sub(rb"\1masked", head + separator) + body


def key_of(sent, local, remote, raw):
    """What a packet and its event have in common."""
    return ("sent" if sent else "received", local, remote, hashlib.sha256(raw).hexdigest())


def compare(packets, logged, port):
    """What differs between the wire and the log, one line each."""
    ours = f":{port}"
    on_wire, first_seen, shown = Counter(), {}, {}
    for packet in packets:
        sent = packet.source.endswith(ours)
        local, remote = (packet.source, packet.destination) if sent else (packet.destination, packet.source)
        key = key_of(sent, local, remote, without_credentials(packet.payload))
        on_wire[key] += 1
        first_seen.setdefault(key, packet.at_us)
        shown[key] = packet.payload
    in_log, first_logged, of_event, wrong = Counter(), {}, {}, []
    for one in logged:
        if one.repeats:
            key = of_event.get(one.repeats)
            if key is None or key[0] != ("sent" if one.sent else "received"):
                wrong.append(f"event {one.id} at {one.position} repeats {one.repeats}, which is no such message")
                continue
        else:
            key = key_of(one.sent, one.local, one.remote, one.raw)
            of_event[one.id] = key
            first_logged.setdefault(key, one.at_us)
            shown.setdefault(key, one.raw)
        in_log[key] += one.times
    for key in on_wire.keys() | in_log.keys():
        if on_wire[key] != in_log[key]:
            wrong.append(f"{key[0]} {key[1]} {key[2]}: {on_wire[key]} times on the wire, {in_log[key]} in the log: {title(shown[key])}")
    for key, seen in first_seen.items():
        if key[0] == "sent" and key in first_logged and first_logged[key] > seen:
            wrong.append(f"sent {first_logged[key] - seen} us before it was logged: {title(shown[key])}")
    return sorted(wrong)


def title(raw):
    """Start line and Call-ID."""
    message = wire.parse(raw, True)
    return f"{message.start} ({message.one('call-id')}, CSeq {message.one('cseq')})" if message else repr(raw[:60])


def self_test():
    """The comparison must find every kind of difference; returns how many of its cases passed and failed."""
    def packet(payload, at=100, sent=True):
        here, there = "127.0.0.1:5060", "127.0.0.1:5080"
        return pcap.Packet(at, here if sent else there, there if sent else here, payload)

    def event(payload, at=90, sent=True, number=1):
        return history.Logged(number, f"e{number}", sent, "127.0.0.1:5060", "127.0.0.1:5080", at, payload)

    def asked(credentials):
        return b"INVITE sip:a@b SIP/2.0\r\nProxy-Authorization: " + credentials + b"\r\nCSeq: 1 INVITE\r\n\r\nAuthorization: body\r\n"

    repeat = history.Logged(9, "e9", True, "", "", 120, b"", "e1", 2)
    cases = {
        "equal": (0, [packet(b"a"), packet(b"b", sent=False)], [event(b"a"), event(b"b", 101, False, 2)]),
        "equal with repeats": (0, [packet(b"a"), packet(b"a", 110), packet(b"a", 115)], [event(b"a"), repeat]),
        "a packet that was not logged": (1, [packet(b"a"), packet(b"b")], [event(b"a")]),
        "an event that was not sent": (1, [packet(b"a")], [event(b"a"), event(b"b", number=2)]),
        "sent before it was logged": (1, [packet(b"a", 100)], [event(b"a", 101)]),
        "another direction": (2, [packet(b"a")], [event(b"a", sent=False)]),
        "a repeat that was not noted": (1, [packet(b"a"), packet(b"a", 110)], [event(b"a")]),
        "credentials that are masked": (0, [packet(asked(b"Digest a=b,\r\n c=d"), sent=False)], [event(asked(b"masked"), sent=False)]),
        "credentials that the log holds": (2, [packet(asked(b"Digest a"), sent=False)], [event(asked(b"Digest a"), sent=False, number=2)]),
        "credentials of ours that are masked": (0, [packet(asked(b"Digest a=b"))], [event(asked(b"masked"))]),
        "credentials of ours that the log holds": (2, [packet(asked(b"Digest a"))], [event(asked(b"Digest a"))]),
        "a repeat of nothing": (2, [packet(b"a", sent=False)], [repeat]),
    }
    failed = [name for name, (wanted, packets, logged) in cases.items() if len(compare(packets, logged, 5060)) != wanted]
    for name in failed:
        print(f"FAILED self-test: {name}")
    return len(cases) - len(failed), len(failed)


def run(options, folder):
    """The load and the comparison; returns what is wrong."""
    stage = load.Load(folder, options.binary)
    try:
        recorder = pcap.Recorder(os.path.join(folder, "sip.pcap"), f"udp and port {stage.sip_port}")
        failed, repeats = stage.run(options.calls, options.rate, options.hold)
        stage.settle()
        packets = recorder.stop()
        logged = history.messages(stage.exchange)
        print(f"{options.calls} calls at {options.rate}/s held {options.hold} ms: {failed} failed, {repeats} retransmissions by SIPp; "
              f"{len(packets)} packets, {len(logged)} logged messages")
        wrong = compare(packets, logged, stage.sip_port)
        if failed:
            wrong.append(f"{failed} calls failed")
        if len(packets) < options.calls * 10:
            wrong.append(f"only {len(packets)} packets: that is not a call's worth each")
        return wrong
    finally:
        stage.exchange.stop()


def main():
    """Self-test, then the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10000, help="how many (10000)")
    parser.add_argument("--rate", type=int, default=150, help="calls a second (150)")
    parser.add_argument("--hold", type=int, default=10000, help="how long each is held, ms (10000)")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--self-test", action="store_true", help="only the comparison's own test")
    options = parser.parse_args()
    passed, failed = self_test()
    if not options.self_test:
        folder = tempfile.mkdtemp(prefix="strowger-capture-", dir="/var/tmp")
        wrong = run(options, folder)
        for line in wrong[:40]:
            print(f"FAILED {line}")
        if wrong:
            print(f"{len(wrong)} differences; kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

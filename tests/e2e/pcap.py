"""Records UDP on the loopback with tcpdump and reads the file it writes."""

import os
import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass

ETHERNET = 1
# struct layout by byte order and the fraction of its times, from the file's first four bytes.
MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1000)}


@dataclass(frozen=True)
class Packet:
    """One UDP datagram; addresses as `host:port`."""

    at_us: int
    source: str
    destination: str
    payload: bytes


def read(path):
    """Every UDP datagram over IPv4 in a capture of Ethernet frames (Linux' loopback looks like one)."""
    with open(path, "rb") as file:
        data = file.read()
    order, fraction = MAGIC[data[:4]]
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != ETHERNET:
        raise ValueError(f"{path}: not a capture of Ethernet frames")
    at, found = 24, []
    while at + 16 <= len(data):
        seconds, part, kept, length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if kept != length:
            raise ValueError(f"{path}: a frame of {length} bytes was cut to {kept}")
        packet = datagram(seconds * 1_000_000 + part // fraction, data[at:at + kept])
        found += [packet] if packet else []
        at += kept
    return found


def datagram(at_us, frame):
    """The datagram of a frame; None of any other frame."""
    if frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != 17:
        return None
    if struct.unpack_from(">H", frame, 20)[0] & 0x3FFF:
        raise ValueError("a datagram came in fragments")
    udp = 14 + (frame[14] & 15) * 4
    source, destination, length = struct.unpack_from(">HHH", frame, udp)
    host = lambda at: ".".join(str(byte) for byte in frame[at:at + 4])  # noqa: E731
    return Packet(at_us, f"{host(26)}:{source}", f"{host(30)}:{destination}", frame[udp + 8:udp + length])


class Recorder:
    """tcpdump on the loopback, for the time between start and `stop`. At once a packet is in the file as soon as it came; the
    kernel has room for some hundreds of them then, and else for as many as go into 64 MiB."""

    def __init__(self, path, wanted, at_once=True):
        self.path = path
        command = ["tcpdump", "-i", "lo", "-w", path, "-U", *(["--immediate-mode"] if at_once else []), "-s", "0", "-B", "65536", "-n", wanted]
        if os.geteuid() == 0:
            command += ["-Z", "root"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        while b"listening on" not in line:
            if not line:
                raise RuntimeError("tcpdump did not start: it needs root, or the right to capture")
            line = self.process.stderr.readline()

    def end(self):
        """Ends the recording; returns what tcpdump says about it."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)[1].decode(errors="replace")

    def stop(self):
        """Ends the recording; returns its packets. Fails where the kernel had to drop one."""
        time.sleep(0.5)
        text = self.end()
        if not is_complete(text):
            raise RuntimeError(f"the capture is not complete: {text.strip()}")
        return read(self.path)


def is_complete(said):
    """Whether tcpdump, by what it says in the end, had all packets."""
    dropped = re.search(r"(\d+) packets? dropped by kernel", said)
    return bool(dropped) and int(dropped[1]) == 0

"""SIP messages out of a capture of the loopback, by UDP and by TCP. Built for long captures: it is read frame by frame."""

import struct

import pcap
from gateway import cut

TCP, UDP = 6, 17
FIN, SYN, RST = 1, 2, 4


def frames(path):
    """(microseconds, frame) of each frame of a capture."""
    with open(path, "rb") as file:
        head = file.read(24)
        order, fraction = pcap.MAGIC[head[:4]]
        while len(head := file.read(16)) == 16:
            seconds, part, kept, length = struct.unpack(order + "IIII", head)
            if kept != length:
                raise ValueError(f"{path}: a frame of {length} bytes was cut to {kept}")
            frame = file.read(kept)
            if len(frame) == kept:
                yield seconds * 1_000_000 + part // fraction, frame


class Stream:
    """One direction of a TCP connection."""

    def __init__(self, start):
        self.next, self.buffer, self.early = start, b"", {}

    def take(self, at, payload):
        """Bytes that begin at this place; returns the messages that are whole now."""
        self.early[at] = max(self.early.get(at, b""), payload, key=len)
        moved = True
        while moved:
            moved = False
            for place in list(self.early):
                behind = (self.next - place) & 0xFFFFFFFF
                if behind < 0x80000000:
                    fresh = self.early.pop(place)[behind:]
                    self.buffer += fresh
                    self.next = (self.next + len(fresh)) & 0xFFFFFFFF
                    moved = moved or bool(fresh)
        found = []
        while True:
            message, self.buffer = cut(self.buffer)
            if message is None:
                return found
            found.append(message)


def messages(path):
    """Every SIP message of a capture, as packets, in the order in which they were whole."""
    streams = {}
    for at_us, frame in frames(path):
        if frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4:
            continue
        if frame[23] == UDP:
            packet = pcap.datagram(at_us, frame)
            if packet and packet.payload.strip():
                yield packet
        elif frame[23] == TCP:
            yield from segment(streams, at_us, frame)


def segment(streams, at_us, frame):
    """The messages that a segment of TCP makes whole."""
    length = struct.unpack_from(">H", frame, 16)[0]
    at = 14 + (frame[14] & 15) * 4
    source, destination, sequence = struct.unpack_from(">HHI", frame, at)
    flags, payload = frame[at + 13], frame[at + (frame[at + 12] >> 4) * 4:14 + length]
    ends = tuple(f"{'.'.join(str(byte) for byte in frame[place:place + 4])}:{port}" for place, port in ((26, source), (30, destination)))
    if flags & SYN:
        streams[ends] = Stream((sequence + 1) & 0xFFFFFFFF)
    elif payload and ends in streams:
        for message in streams[ends].take(sequence, payload):
            yield pcap.Packet(at_us, *ends, message)

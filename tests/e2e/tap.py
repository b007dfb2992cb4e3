"""What arrives at a phone's media ports, as samples: for phones whose own recorder does not outlive a change of the media."""

import array
import struct
import threading

import pcap


def expand(byte):
    """A sample of G.711 mu-law."""
    byte = ~byte & 0xFF
    level = (((byte & 15) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -level if byte & 128 else level


TABLE = [expand(byte) for byte in range(256)]


class Tap:
    """Records PCMU that arrives at ports of the loopback, in the order in which it comes."""

    def __init__(self, path, ports):
        self.path, self.ports = path, ports
        self.at, self.found, self.lock = 24, array.array("h"), threading.Lock()
        self.recorder = pcap.Recorder(path, f"udp and dst portrange {ports.start}-{ports.stop - 1}")

    def take(self):
        """What was captured since the last time; a packet that is not yet whole waits."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        at = 0
        while at + 16 <= len(data):
            kept = struct.unpack_from("<I", data, at + 8)[0]
            if at + 16 + kept > len(data):
                break
            packet = pcap.datagram(0, data[at + 16:at + 16 + kept])
            at += 16 + kept
            if packet and int(packet.destination.rpartition(":")[2]) % 2 == 0 and len(packet.payload) > 12 and packet.payload[1] & 127 == 0:
                self.found.extend(TABLE[byte] for byte in packet.payload[12:])
        self.at += at

    def length(self):
        """Samples until now."""
        with self.lock:
            self.take()
            return len(self.found)

    def samples(self, offset=0):
        """Samples from the one of that number on."""
        with self.lock:
            self.take()
            return self.found[offset:]

    def stop(self):
        """Ends the recording."""
        self.recorder.end()

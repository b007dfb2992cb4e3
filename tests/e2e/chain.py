"""The hash chain of an exported session, proved without the exchange: BLAKE3 by its specification, over what a line tells."""

import datetime
import struct
import uuid

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
# The columns of the state, then its diagonals.
MIXED = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF


def turned(word, bits):
    """A word, rotated to the right."""
    return (word >> bits | word << 32 - bits) & MASK


def compress(chaining, words, counter, length, flags):
    """The compression function: eight words of the new chaining value."""
    state = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    words = list(words)
    for turn in range(7):
        for at, (a, b, c, d) in enumerate(MIXED):
            for word, (first, second) in ((words[2 * at], (16, 12)), (words[2 * at + 1], (8, 7))):
                state[a] = (state[a] + state[b] + word) & MASK
                state[d] = turned(state[d] ^ state[a], first)
                state[c] = (state[c] + state[d]) & MASK
                state[b] = turned(state[b] ^ state[c], second)
        if turn < 6:
            words = [words[from_] for from_ in ORDER]
    return tuple(low ^ high for low, high in zip(state[:8], state[8:]))


def node(data, counter, root):
    """The chaining value of a subtree of 1,024-byte chunks."""
    flags = ROOT if root else 0
    if len(data) > 1024:
        left = 1024
        while 2 * left < len(data):
            left *= 2
        both = node(data[:left], counter, False) + node(data[left:], counter + left // 1024, False)
        return compress(IV, both, 0, 64, PARENT | flags)
    chaining, blocks = IV, [data[at:at + 64] for at in range(0, len(data), 64)] or [b""]
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        place = (CHUNK_START if index == 0 else 0) | (CHUNK_END | flags if last else 0)
        chaining = compress(chaining, struct.unpack("<16I", block.ljust(64, b"\0")), counter, len(block), place)
    return chaining


def blake3(data):
    """The hash, in hex."""
    return struct.pack("<8I", *node(data, 0, True)).hex()


def micros(text):
    """Microseconds since 1970 of a time in RFC 3339."""
    return round((datetime.datetime.fromisoformat(text) - datetime.datetime.fromtimestamp(0, datetime.timezone.utc))
                 / datetime.timedelta(microseconds=1))


def hash_of(line):
    """An event's hash, from what its line tells (ARCHITECTURE.md, "Hash chain")."""
    text = b"".join(struct.pack(">I", len(part)) + part for part in (line[name].encode() for name in ("stream", "type", "stored")))
    cause = uuid.UUID(line["cause"]).bytes if line.get("cause") else bytes(16)
    return blake3(text + struct.pack(">Q", line["revision"]) + uuid.UUID(line["id"]).bytes + struct.pack(">H", line["version"])
                  + struct.pack(">q", micros(line["at"])) + uuid.UUID(line["correlation"]).bytes + cause
                  + struct.pack(">H", line["node"]) + bytes.fromhex(line["previous"]))


def faults(lines):
    """What is wrong with a chain; every line must be the next, hold its predecessor's hash, and have the hash that it says."""
    wrong, previous = [], "00" * 32
    for number, line in enumerate(lines):
        if line["revision"] != number:
            wrong.append(f"line {number} is revision {line['revision']}")
        if line["previous"] != previous:
            wrong.append(f"revision {number} does not hold its predecessor's hash")
        if hash_of(line) != line["hash"]:
            wrong.append(f"revision {number} has another hash than it says")
        previous = line["hash"]
    return wrong

"""Voices that cannot be mistaken for each other, and which of them is on a recording.

A voice is a loop of random syllables. Where a piece of a recording stands in the loop is found by its loudness, which is
cheap; the normalised cross-correlation of the samples there is the verdict. Pieces are short, so that a jitter buffer that
drops or repeats a frame spoils one of them and not the rest.
"""

import array
import math
import os
import random
import struct
import wave

RATE = 8000
STEP = RATE // 100
# Length of a voice's loop, and of the pieces that are judged.
LOOP = 12 * RATE
PIECE = RATE // 2
# A piece that is alike is by that voice; unrelated voices stay well below UNLIKE.
ALIKE, UNLIKE = 0.9, 0.6
# Samples louder than this on average are no silence: mu-law's idle noise stays below.
AUDIBLE = 100
SILENCE = array.array("h")


def voice(seed):
    """The loop of one voice, as samples."""
    draw = random.Random(seed)
    samples = array.array("h")
    while len(samples) < LOOP:
        length, pitch = draw.randrange(6, 25) * STEP, draw.uniform(110, 420)
        rise, loud = draw.uniform(-0.3, 0.3), draw.uniform(4000, 9000)
        parts = [(number, draw.uniform(0.2, 1.0)) for number in draw.sample(range(1, 8), 3)]
        phase = 0.0
        for at in range(length):
            phase += 2 * math.pi * pitch * (1 + rise * at / length) / RATE
            envelope = math.sin(math.pi * at / length)
            samples.append(int(loud * envelope * sum(part * math.sin(number * phase) for number, part in parts) / 2))
        samples.extend([0] * (draw.randrange(0, 8) * STEP))
    return samples[:LOOP]


def write(path, samples, times=1):
    """A WAV file of 16 bits and one channel that holds the samples so many times."""
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes() * times)


def data_start(path):
    """Where a WAV file's samples begin; None while its head is not whole. Its lengths are not believed: it is still written."""
    with open(path, "rb") as file:
        head = file.read(4096)
    at = 12
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        if name == b"data":
            return at + 8
        at += 8 + length + length % 2
    return None


class Recording:
    """A WAV file that may still be written."""

    def __init__(self, path):
        self.path = path

    def length(self):
        """Samples until now."""
        start = data_start(self.path) if os.path.exists(self.path) else None
        return 0 if start is None else (os.path.getsize(self.path) - start) // 2

    def samples(self, offset=0):
        """Samples from the one of that number on."""
        start = data_start(self.path)
        if start is None:
            return array.array("h")
        with open(self.path, "rb") as file:
            file.seek(start + 2 * offset)
            data = file.read()
        return array.array("h", data[:len(data) // 2 * 2])


def loudness(samples):
    """Mean level of each hundredth of a second."""
    return [sum(map(abs, samples[at:at + STEP])) / STEP for at in range(0, len(samples) - STEP + 1, STEP)]


def is_audible(samples):
    """Whether there is anything to hear."""
    return any(level > AUDIBLE for level in loudness(samples))


def coefficient(one, other):
    """Normalised cross-correlation: 1 of the same sound at any loudness."""
    common = sum(map(int.__mul__, one, other))
    scale = math.sqrt(sum(map(int.__mul__, one, one)) * sum(map(int.__mul__, other, other)))
    return common / scale if scale else 0.0


class Voice:
    """A voice that recordings are held against."""

    def __init__(self, name, seed):
        self.name, self.samples = name, voice(seed)
        self.twice = list(self.samples) * 2
        self.levels = loudness(self.samples) * 2

    def likeness(self, piece):
        """How much a piece of a recording sounds like the best part of the loop."""
        levels = loudness(piece)
        count = len(levels)
        power = math.sqrt(sum(level * level for level in levels)) or 1.0
        scores = []
        for at in range(len(self.levels) // 2):
            part = self.levels[at:at + count]
            own = math.sqrt(sum(level * level for level in part)) or 1.0
            scores.append((sum(map(float.__mul__, levels, part)) / own / power, at))
        best = 0.0
        for _, at in sorted(scores, reverse=True)[:4]:
            best = max(best, self.best_near(piece, at * STEP))
            if best > ALIKE:
                break
        return best

    def best_near(self, piece, place):
        """The best coefficient within a hundredth of a second of a place in the loop, found by a probe of the piece's loudest part."""
        length = 4 * STEP
        start = max(range(0, len(piece) - length + 1, STEP), key=lambda at: sum(map(abs, piece[at:at + length])))
        probe = piece[start:start + length]
        shifts = range(place - STEP - 20, place + STEP + 20)
        found = max(shifts, key=lambda shift: coefficient(probe, self.cut(shift + start, length)))
        return coefficient(piece, self.cut(found, len(piece)))

    def cut(self, start, length):
        """A part of the loop."""
        start %= len(self.samples)
        return self.twice[start:start + length]


def pieces(samples):
    """The pieces of a recording that have enough sound in them to be judged."""
    for at in range(0, len(samples) - PIECE + 1, PIECE):
        piece = list(samples[at:at + PIECE])
        if sum(level > AUDIBLE for level in loudness(piece)) * 2 >= PIECE // STEP:
            yield piece


def faults(samples, voices, wanted, seconds):
    """What is wrong with a recording that should hold at least so many seconds of one voice, and none of the others."""
    judged = list(pieces(samples))
    alike = [voices[wanted].likeness(piece) for piece in judged]
    good = sum(value > ALIKE for value in alike)
    if good * PIECE < seconds * RATE * 0.8 or good < 0.7 * len(judged):
        shown = " ".join(f"{value:.2f}" for value in alike)
        return [f"{good} of {len(judged)} pieces are {wanted}'s voice, in {len(samples) / RATE:.1f} s: {shown}"]
    for name in voices:
        worst = max((voices[name].likeness(piece) for piece in judged), default=0.0) if name != wanted else 0.0
        if worst > UNLIKE:
            return [f"{name}'s voice is heard beside {wanted}'s: {worst:.2f}"]
    return []

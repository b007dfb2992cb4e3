"""Reads a trace of `strace -f -yy -xx` into system calls in the order in which they began and ended.

Why the order of the file can be trusted: strace stops every thread at the beginning and at the end of each call and writes
before it lets the thread go on. If one call could only begin because another had ended (the thread that sends was told by
the thread that synced), the end stands in the file before the beginning. A call during which anything else happened is
written in two parts (`<unfinished ...>`, `<... resumed>`), so beginning and end are both known.
"""

import re
from dataclasses import dataclass

LINE = re.compile(r"^(\d+) +([\d.]+) (.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
RESULT = re.compile(r"\)\s+= (-?\d+)(?: .*)?$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
SEGMENT = re.compile(r"/\d{20}\.segment$")
PATH = re.compile(r"^(\d+)<((?:\\x[0-9a-f]{2})+|[^>]*)>")
ADDRESS = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]*)"\)')


@dataclass
class Call:
    """One system call: places of its beginning and end in the file, and what is needed of it."""

    began: int
    ended: int
    name: str
    arguments: str
    result: int

    def path(self):
        """File or socket of its first argument."""
        match = PATH.match(self.arguments)
        return text_of(match[2]) if match else ""

    def strings(self):
        """Every string in its arguments."""
        return [unhex(part) for part in STRING.findall(self.arguments)]


def unhex(text):
    r"""`\x41\x42` as bytes."""
    return bytes.fromhex(text.replace("\\x", ""))


def text_of(text):
    r"""A name that -xx may have written as `\x41`."""
    return unhex(text).decode("utf-8", "replace") if text.startswith("\\x") else text


def calls_of(lines):
    """The calls of a trace that ended."""
    pending, found = {}, []
    for index, line in enumerate(lines):
        match = LINE.match(line)
        if not match:
            continue
        pid, rest = match[1], match[3].rstrip("\n")
        resumed = RESUMED.match(rest)
        if resumed:
            name, began, start = pending.pop(pid, (resumed[1], index, ""))
            add(found, began, index, name, start + resumed[2])
        elif rest.endswith("<unfinished ...>"):
            name, _, arguments = rest[:-len("<unfinished ...>")].partition("(")
            pending[pid] = (name, index, arguments.rstrip())
        elif "(" in rest and not rest.startswith(("+++", "---")):
            name, _, arguments = rest.partition("(")
            add(found, index, index, name, arguments)
    return found


def add(found, began, ended, name, arguments):
    """Keeps a call whose result is known."""
    result = RESULT.search(arguments)
    if result:
        found.append(Call(began, ended, name, arguments, int(result[1])))


def sent(call):
    """(destination, bytes) of every datagram that a call sent over IPv4."""
    if call.name not in ("sendto", "sendmsg", "sendmmsg") or call.result < 0 or not call.path().startswith("UDP"):
        return []
    if call.name == "sendto":
        messages = [call.arguments]
    else:
        # Each message of a vector begins with its address.
        messages = [part for part in re.split(r"(?=msg_name=)", call.arguments) if part.startswith("msg_name=")]
        messages = messages[:call.result] if call.name == "sendmmsg" else messages
    return [datagram for datagram in map(datagram_of, messages) if datagram]


def datagram_of(text):
    """Destination and bytes of one message."""
    address = ADDRESS.search(text)
    if not address:
        return None
    rest = text[:address.start()] + text[address.end():]
    return f"{text_of(address[2])}:{address[1]}", b"".join(unhex(part) for part in STRING.findall(rest))


def steps_of(calls, concerns):
    """Writes and syncs of some files, in order: (place, what, call, what the sync covers).

    Writes count from their end, syncs cover what was written before they began.
    """
    steps, covered = [], {}
    for call in calls:
        if concerns(call.path()):
            if call.name in ("fdatasync", "fsync"):
                steps += [(call.began, 1, "sync began", call), (call.ended, 0, "sync ended", call)]
            elif call.name in ("pwrite64", "write"):
                steps.append((call.ended, 0, "written", call))
            else:
                raise ValueError(f"{call.name} writes the log: this check does not know what it wrote")
    # A complete line is beginning and end at once: the beginning comes first.
    for place, _, what, call in sorted(steps, key=lambda step: (step[0], step[1] if step[3].began != step[3].ended else -step[1])):
        if what == "sync ended" and call.result != 0:
            raise ValueError("an fdatasync of the log failed: nothing more may be said")
        if what == "written" and call.result != sum(map(len, call.strings())):
            raise ValueError(f"a write of {call.result} bytes is not shown whole: strace's -s is too small")
        yield place, what, call, [] if what == "written" else covered.setdefault(id(call), [])


def log_of(calls):
    """The log in the trace, followed: segments, or SQLite's write-ahead log where there are none."""
    segments = any(SEGMENT.search(call.path()) for call in calls)
    return (Segments() if segments else WriteAheadLog()).follow(calls)


@dataclass
class Frame:
    """One page in SQLite's write-ahead log, or one write into a segment, and where in the trace it became durable.

    `durable` is None where it never did.
    """

    page: bytes
    began: int
    durable: int = None


class Segments:
    """Follows the writes of a log in segments: each commit is one write into the file whose name is its first position.

    A write is durable when, after it ended, an fdatasync of the same file began and returned 0. The spare that is filled with
    zeros ahead of use has another name until a segment begins in it.
    """

    def __init__(self):
        self.frames, self.written = [], {}

    def follow(self, calls):
        """Takes in a whole trace."""
        for place, what, call, covered in steps_of(calls, lambda path: SEGMENT.search(path)):
            waiting = self.written.setdefault(call.path(), [])
            if what == "written":
                waiting.append(Frame(b"".join(call.strings()), place))
                self.frames.append(waiting[-1])
            elif what == "sync began":
                covered += waiting
                waiting.clear()
            else:
                for frame in covered:
                    frame.durable = place
        return self

    def durable_at(self, mark):
        """Where in the trace the first write that holds the mark became durable; (None, reason) where none did."""
        for frame in self.frames:
            if mark in frame.page:
                return (frame.durable, "") if frame.durable is not None else (None, "was written but never synced")
        return None, "was never written"


class WriteAheadLog:
    """Follows the writes of a write-ahead log: frame headers, pages, commits and syncs.

    SQLite writes each frame as a header of 24 bytes, whose second word is not zero in the last frame of a commit, and then
    its page. A frame is durable when, after the page of its commit's last frame was written, an fdatasync of the same file
    began and returned 0.
    """

    def __init__(self, name="log.db-wal"):
        self.name = name
        self.frames, self.open, self.committed = [], [], []
        self.closes = False

    def follow(self, calls):
        """Takes in a whole trace."""
        for place, what, call, covered in steps_of(calls, lambda path: path.endswith(self.name)):
            if what == "written":
                self.write(call, place)
            elif what == "sync began":
                covered += self.committed
                self.committed = []
            else:
                for frame in covered:
                    frame.durable = place
        return self

    def write(self, call, place):
        """One write: the file's header (32 bytes), a frame's header, or a page."""
        data = b"".join(call.strings())
        if len(data) == 24:
            self.closes = data[4:8] != b"\0\0\0\0"
        elif len(data) > 32:
            self.open.append(Frame(data, place))
            self.frames.append(self.open[-1])
            if self.closes:
                self.committed, self.open = self.committed + self.open, []

    def durable_at(self, mark):
        """Where in the trace the first page that holds the mark became durable; (None, reason) where none did."""
        for frame in self.frames:
            if mark in frame.page:
                return (frame.durable, "") if frame.durable is not None else (None, "was written but never synced")
        for first, second in self.split(mark):
            if first.durable is not None and second.durable is not None:
                return max(first.durable, second.durable), ""
        return None, "was never written"

    def split(self, mark):
        """Pairs of pages that hold a mark's beginning at one's end and its rest behind the other's chain pointer."""
        for size in range(1, len(mark)):
            ends = [frame for frame in self.frames if frame.page.endswith(mark[:size])]
            rest = [frame for frame in self.frames if frame.page[4:4 + len(mark) - size] == mark[size:]]
            if ends and rest:
                yield ends[0], rest[0]

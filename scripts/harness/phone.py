"""What telephones under test have in common: events that are waited for, and recordings that grow.

Events are dictionaries with `event`: registered, unregistered, registration failed, incoming, ringing, established, over,
media, transfer; those of calls name their `call`.
"""

import queue
import threading
import time

import sound

from . import processes

# Longest wait for anything that the other end, or a busy machine, has to do.
PATIENCE = 15.0
# What is recorded of a phone: what it said, what it decoded, and what arrived (where a phone's own recorder can be trusted, that is the same).
KINDS = ("said", "heard", "arrived")


class Silent(TimeoutError):
    """A phone did not tell of what was waited for."""


class Phone:
    """A telephone, a process of its own. `name` is its user."""

    # Whether it hangs up where a transfer that it asked for comes to nothing.
    gives_up_with_a_transfer = False

    def __init__(self, name):
        self.name = name
        self.process = None
        self.told = queue.SimpleQueue()
        self.events, self.seen = [], 0

    def listen(self, lines):
        """Takes events from `lines`, on a thread of its own, until they end."""
        def run():
            for event in lines:
                self.told.put(event)
            self.told.put(None)
        threading.Thread(target=run, daemon=True).start()

    def wait(self, event, seconds=PATIENCE, keep=False, **particulars):
        """The next event of that kind (or these kinds) with these particulars. It and what came before it are passed over, unless kept."""
        end, at, kinds = time.monotonic() + seconds, self.seen, (event,) if isinstance(event, str) else event
        while True:
            while at < len(self.events):
                found = self.events[at]
                at += 1
                if found["event"] in kinds and all(found.get(key) == value for key, value in particulars.items()):
                    if not keep:
                        self.seen = at
                    return found
            self.take(end, f"{event} {particulars or ''}")

    def take(self, end, what):
        """One more event."""
        try:
            found = self.told.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            last = "; ".join(str(event) for event in self.events[-4:])
            raise Silent(f"{self.name} did not tell of '{what}'; its last events: {last}") from None
        if found is None:
            self.told.put(None)
            raise Silent(f"{self.name} has ended (status {self.process.poll()}), '{what}' was waited for")
        self.events.append(found)

    def forget(self):
        """Passes over every event that was told until now."""
        while not self.told.empty():
            self.take(time.monotonic() + 1, "more")
        self.seen = len(self.events)

    def established(self, call):
        """Waits until a call is answered on both sides."""
        self.wait("established", call=call)

    def rings_there(self, call):
        """Waits until the other end of a call of ours rings."""
        self.wait("ringing", call=call)

    def over(self, call):
        """Waits until a call is over; returns the event that tells why."""
        return self.wait("over", call=call)

    def mark(self):
        """How much was recorded until now."""
        return {recording: recording.length() for kind in KINDS for recording in self.recordings(kind)}

    def since(self, mark, kind="heard"):
        """What was recorded since a mark."""
        return sum((recording.samples(mark.get(recording, 0)) for recording in self.recordings(kind)), sound.SILENCE)

    def passed(self, mark, kind):
        """How many seconds were recorded since a mark."""
        return sum(recording.length() - mark.get(recording, 0) for recording in self.recordings(kind)) / sound.RATE

    def wait_recorded(self, mark, kind, seconds):
        """Until so many seconds were recorded since a mark; they pass as fast as the phone's audio clock does."""
        processes.wait_until(lambda: self.passed(mark, kind) >= seconds, PATIENCE + 2 * seconds,
                             f"{seconds} s that {self.name} {kind}", self.process)

"""The kinds of calls that run while the worker is killed, and the SIPps that make them.

Each kind has a caller and a callee, a SIPp each, with the scenarios `SCENARIO.caller.xml` and `SCENARIO.callee.xml` beside
this file, made of the parts of tests/e2e. By TCP a SIPp speaks through a gateway (gateway.py): by itself it gives calls up
whose connection ends.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import messages
import transfers
from harness import processes, sipp

HERE = os.path.dirname(os.path.abspath(__file__))
CALLER, CALLEE = "caller", "callee"
TARGET = transfers.TARGET


REFUSALS = (408, 480, 481, 487, 500, 503, 504)
# Messages that SIPp does not expect (repeats of what is long answered) end no call: what is owed is judged from the capture.
PATIENT = ["-default_behaviors", "all,-abortunexp"]


@dataclass(frozen=True)
class Kind:
    """One kind of call. `weight` is its share of the new calls; of `held` ones there is a number up at any time. `talks` and
    `rings` are bounds in milliseconds; `final` is what the caller hears, `ends` who hangs up on each leg."""

    name: str
    scenario: str
    weight: int
    talks: tuple = (200, 1000)
    rings: tuple = (0, 100)
    final: int = 200
    ends: str = CALLER
    held: bool = False
    tcp: tuple = ()
    refers: bool = False


KINDS = (
    Kind("held", "hangs_up", 70, held=True),
    Kind("held-tcp", "hangs_up", 30, held=True, tcp=(CALLER, CALLEE)),
    Kind("short", "hangs_up", 30),
    Kind("short-tcp", "hangs_up", 10, tcp=(CALLER, CALLEE)),
    Kind("to-tcp", "hangs_up", 5, tcp=(CALLEE,)),
    Kind("from-tcp", "is_hung_up", 5, ends=CALLEE, tcp=(CALLER,)),
    Kind("late", "hangs_up", 10, rings=(1000, 6000)),
    Kind("hold", "holds", 10, talks=(500, 2000)),
    Kind("callee-ends", "is_hung_up", 10, ends=CALLEE),
    Kind("cancel", "gives_up", 10, rings=(100, 3000), final=487),
    Kind("refused", "refused", 5, final=486),
    Kind("refer", "refers", 5, ends=CALLEE, refers=True),
)
# The one call with sound: chaos.d/audio.py.
SOUND = Kind("sound", "hangs_up", 0)


def by_name(place):
    """(kind, side) of (name, side); the target has no kind of its own."""
    name, side = place
    return next((kind for kind in (*KINDS, SOUND) if kind.name == name), None), side


def pause(bounds):
    """A pause of SIPp's between two bounds, in milliseconds."""
    return f'<pause distribution="uniform" min="{bounds[0]}" max="{bounds[1]}"/>'


def scenario(kind, side, hold):
    """A scenario as SIPp reads it; `hold` bounds how long held calls are held, in milliseconds."""
    name = "is_hung_up" if kind.refers and side == CALLER else kind.scenario
    parts = {
        "may_ring": lambda: "".join(f'<recv response="{code}" optional="true"></recv>' for code in (100, 180, 183)),
        # SIPp goes on, and the verdict is the capture's: a call may be refused that began in the moment of a kill.
        "may_fail": lambda: "".join(f'<recv response="{code}" optional="true" next="failed"></recv>' for code in REFUSALS if code != kind.final),
        "failed": lambda: f'<nop next="done"/><label id="failed"/>{messages.ack_failure()}<label id="done"/>',
        "talks": lambda: pause(hold if kind.held else kind.talks),
        "before_answer": lambda: pause(kind.rings),
        "before_cancel": lambda: pause(kind.rings),
        "callee_refers": transfers.callee_refers, "accepted": transfers.accepted, "hears_to_the_end": transfers.hears_to_the_end,
    }
    with open(os.path.join(HERE, f"{name}.{side}.xml"), encoding="utf-8") as file:
        return messages.expand(file.read(), parts)


def by_tcp(text, port, exchange_port):
    """The scenario of a SIPp whose messages a gateway at this port carries over TCP."""
    text = text.replace("[local_port]>", f"{port};transport=tcp>").replace("[local_port]", str(port))
    return text.replace("[remote_port]", str(exchange_port)).replace("[transport]", "TCP")


class Peers:
    """All of them, at one exchange."""

    def __init__(self, folder, stage, options):
        self.folder, self.stage, self.options = folder, stage, options
        self.ports, self.phones, self.gateways = {}, {}, []
        port = processes.free_port(stage.sip_port + 2)
        self.kinds = [kind for kind in KINDS if kind.name in (options.kinds or kind.name).split(",")]
        for kind in self.kinds:
            for side in (CALLER, CALLEE):
                # The second port is SIPp's own behind a gateway.
                self.ports[kind.name, side] = port
                port = processes.free_port(port + 2)
        self.ports["target", CALLEE] = port
        self.after = port + 1

    def number(self, kind):
        """What callers of this kind dial."""
        return f"+1555000{1000 + KINDS.index(kind)}"

    def provision(self):
        """Trunks and numbers."""
        api = self.stage.exchange
        callers = [f"127.0.0.1:{port}" for (_, side), port in self.ports.items() if side == CALLER]
        api.trunk(name="carrier", kind="carrier", addresses=[*callers, *self.stage.more_callers])
        for kind in self.kinds:
            address = f"127.0.0.1:{self.ports[kind.name, CALLEE]}"
            if kind.refers:
                api.trunk(name=kind.name, kind="pbx", addresses=[address], destination=f"sip:{address}", refer="internal")
            api.number(self.number(kind), f"sip:pbx@{address}" + (";transport=tcp" if CALLEE in kind.tcp else ""))
        api.number(TARGET, f"sip:target@127.0.0.1:{self.ports['target', CALLEE]}")

    def start_phone(self, kind, side, extra):
        """One SIPp, with its gateway where it speaks TCP. The target rings, answers, and hangs up as any callee."""
        name = kind.name if kind else "target"
        text = scenario(kind or next(one for one in KINDS if one.name == "callee-ends"), side, self.hold_ms())
        port, sip = self.ports[name, side], self.stage.sip_port
        own, towards = port, sip
        if kind and side in kind.tcp:
            own, towards = port + 1, processes.free_port(port + 1000)
            text = by_tcp(text, port, sip)
            self.gateways.append(subprocess.Popen(
                [sys.executable, os.path.join(HERE, "gateway.py"), str(port), str(sip), str(towards), str(own)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
            sipp.wait_listening(towards, self.gateways[-1], "the gateway")
        path = os.path.join(self.folder, f"{name}.{side}.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if side == CALLER:
            extra = [f"127.0.0.1:{towards}", "-cid_str", f"{name}-%u-%p@caller.example", "-s", self.number(kind), "-rp", "1000", *extra]
        if self.options.trace:
            extra = [*extra, "-trace_msg", "-message_file", os.path.join(self.folder, f"{name}.{side}.messages")]
        phone = sipp.Sipp(path, self.folder, own, [*PATIENT, *extra], f"{name}.{side}")
        self.phones[name, side] = phone
        if side == CALLEE:
            sipp.wait_listening(own, phone.process, f"SIPp as {name}")

    def hold_ms(self):
        """Bounds of how long held calls are held."""
        return tuple(int(second * 1000) for second in self.options.hold)

    def start(self):
        """Callees, then callers."""
        self.start_phone(None, CALLEE, [])
        for kind in self.kinds:
            self.start_phone(kind, CALLEE, [])
        shares = sum(kind.weight for kind in self.kinds if not kind.held)
        held = sum(kind.weight for kind in self.kinds if kind.held)
        for kind in self.kinds:
            if kind.held:
                # SIPp keeps this many up.
                up = max(1, round(self.options.calls_up * kind.weight / held))
                limits = ["-r", str(max(1, round(up / 5))), "-l", str(up)]
            else:
                limits = ["-r", f"{self.options.rate * kind.weight / shares:.3f}", "-l", "100000"]
            self.start_phone(kind, CALLER, limits)

    def stop_calling(self, seconds):
        """No new calls; waits until those that run are over. Returns who was not done in that time."""
        callers = [phone for (_, side), phone in self.phones.items() if side == CALLER]
        for phone in callers:
            if phone.process.poll() is None:
                phone.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + seconds
        return [phone.name for phone in callers if phone.wait(max(0.5, end - time.monotonic())) is None]

    def finish(self):
        """Ends all of them."""
        for phone in self.phones.values():
            phone.finish()
        for gateway in self.gateways:
            gateway.kill()
            gateway.wait()

    def counts(self):
        """{kind: (calls, failed)} as the callers' SIPps counted them."""
        found = {}
        for (name, side), phone in self.phones.items():
            if side == CALLER:
                counted = phone.counted()
                found[name] = (counted.get("TotalCallCreated", 0), counted.get("FailedCall(C)", 0))
        return found

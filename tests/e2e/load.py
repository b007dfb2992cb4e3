"""An exchange under a plain load of SIPp calls, for the checks that watch it from outside."""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "scripts"))
from harness import exchange, processes, sipp  # noqa: E402

SCENARIOS = os.path.join(TOP, "scripts", "bench.d")
NUMBER = "+15550000001"


class Load:
    """One exchange with a carrier before it and a PBX behind it."""

    def __init__(self, folder, binary=None, wrap=(), settings="", media="20000-29999"):
        self.folder = folder
        self.sip_port = processes.free_port(16060)
        self.caller_port = processes.free_port(self.sip_port + 2)
        self.callee_port = processes.free_port(self.caller_port + 2)
        self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), self.sip_port, processes.free_port(18280),
                                          binary=binary, wrap=wrap, settings=settings, media=media)
        self.exchange.trunk(name="carrier", kind="carrier", addresses=[f"127.0.0.1:{self.caller_port}"])
        self.exchange.trunk(name="pbx", kind="pbx", addresses=[f"127.0.0.1:{self.callee_port}"],
                            destination=f"sip:127.0.0.1:{self.callee_port}")
        self.exchange.number(NUMBER, f"sip:pbx@127.0.0.1:{self.callee_port}")
        self.numbers = os.path.join(folder, "numbers.csv")
        with open(self.numbers, "w", encoding="ascii") as file:
            file.write(f"SEQUENTIAL\n{NUMBER};\n")

    def run(self, calls, rate, hold_ms):
        """Calls through the exchange; returns (failed, retransmissions) as both SIPps counted them."""
        callee = sipp.Sipp(os.path.join(SCENARIOS, "uas.xml"), self.folder, self.callee_port, [], "callee")
        try:
            sipp.wait_listening(self.callee_port, callee.process, "SIPp's callee")
            caller = sipp.Sipp(os.path.join(SCENARIOS, "uac.xml"), self.folder, self.caller_port,
                               [f"127.0.0.1:{self.sip_port}", "-inf", self.numbers, "-r", str(rate), "-rp", "1000",
                                "-m", str(calls), "-d", str(hold_ms), "-l", "100000"], "caller")
            caller.wait(calls / rate + hold_ms / 1000 + 60)
            time.sleep(1.5)
        finally:
            callee.finish()
        counted = [caller.counted(), callee.counted()]
        repeats = sum(one.get("Retransmissions(C)", 0) for one in counted)
        return calls - counted[0].get("SuccessfulCall(C)", 0), repeats

    def settle(self):
        """Until no session lives and the read models have seen everything."""
        processes.wait_until(lambda: not self.exchange.metric("strowger_live_sessions"), 60, "the end of all sessions",
                             self.exchange.process)
        self.exchange.wait_caught_up(60)

"""The log of an exchange as its HTTP API tells it. The only place that knows the shape of an event's JSON."""

import base64
import datetime
from dataclasses import dataclass

PAGE = 1000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class Logged:
    """A SIP message, or a repeat of one, as the log has it."""

    position: int
    id: str
    sent: bool
    local: str
    remote: str
    at_us: int
    raw: bytes = b""
    repeats: str = ""
    times: int = 1


def microseconds(time):
    """RFC 3339 text, or a number of microseconds, since 1970."""
    if isinstance(time, int):
        return time
    moment = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def logged(event):
    """What an event says about the wire; None of any other event."""
    kind, data = event["type"], event["data"]
    common = {"position": event["position"], "id": event["id"].replace("-", ""), "at_us": microseconds(event["at"])}
    if kind in ("SipMessageReceived", "SipMessageCommitted"):
        flow = data["wire"]["flow"]
        return Logged(sent=kind == "SipMessageCommitted", local=flow["local"], remote=flow["remote"],
                      raw=base64.b64decode(data["wire"]["bytes"]), **common)
    if kind == "SipMessageRepeated":
        return Logged(sent=data["way"] == "sent", local="", remote="", repeats=data["of"].replace("-", ""),
                      times=data["times"], **common)
    return None


def events(exchange):
    """Every event of the log, oldest first."""
    after = 0
    while True:
        page = exchange.request("GET", f"/v1/events?after={after}&limit={PAGE}", timeout=60)["events"]
        if not page:
            return
        yield from page
        after = page[-1]["position"]


def messages(exchange):
    """Every SIP message and repeat in the log, in order."""
    return [found for found in map(logged, events(exchange)) if found]

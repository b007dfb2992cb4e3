"""An auditor with PyPI `kurrentdbclient`: everything that a log holds, as JSON lines, from the store in KURRENTDB_URI.

What is read in one way must be what is read in every other: all streams, each stream both ways, a subscription. A stranger
may not come in, and nobody may write to the exchange's streams.
"""

import json
import os
import sys

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import AccessDeniedError, GrpcError, KurrentDBClientError, NotFoundError


def line(event):
    """An event, as the other client writes it too."""
    metadata = json.loads(event.metadata)
    return {"position": event.commit_position, "stream": event.stream_name, "revision": event.stream_position,
            "id": str(event.id), "type": event.type, "version": metadata["version"], "at": metadata["at"],
            "correlation": metadata["$correlationId"], "cause": metadata.get("$causationId"),
            "previous": metadata["previous"], "data": json.loads(event.data)}


def main():
    """Reads, compares, writes the events to standard output."""
    uri = os.environ["KURRENTDB_URI"]
    client = KurrentDBClient(uri=uri)
    everything = list(client.read_all())
    streams = {}
    for event in everything:
        streams.setdefault(event.stream_name, []).append(event)
    for name, events in streams.items():
        forwards = list(client.read_stream(name))
        assert forwards == list(client.read_stream(name, backwards=True))[::-1], name
        assert [event.id for event in forwards] == [event.id for event in events], name
        assert [event.stream_position for event in forwards] == list(range(len(forwards))), name
    followed = []
    for event in client.subscribe_to_all(filter_by_stream_name=True, filter_include=["session-.*"], include_caught_up=True):
        if type(event).__name__ == "CaughtUp":
            break
        followed.append(event)
    assert [event.id for event in followed] == [event.id for event in everything if event.stream_name.startswith("session-")]

    session = next(name for name in streams if name.startswith("session-"))
    for stream in (session, "orders-1"):
        try:
            client.append_to_stream(stream, current_version=StreamState.ANY, events=[NewEvent(type="Forged", data=b"{}")])
            sys.exit(f"{stream} could be written through a read-only door")
        except (AccessDeniedError, GrpcError, KurrentDBClientError):
            pass
    try:
        list(client.read_stream("orders-1"))
        sys.exit("what was refused is there")
    except NotFoundError:
        pass
    client.close()
    stranger = KurrentDBClient(uri=uri.replace("auditor:", "stranger:"))
    try:
        list(stranger.read_all(limit=1))
        sys.exit("a stranger may read")
    except KurrentDBClientError:
        pass
    stranger.close()
    for event in everything:
        print(json.dumps(line(event)))


if __name__ == "__main__":
    main()

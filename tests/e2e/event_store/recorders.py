"""The recorder cases of PyPI `eventsourcing` through `eventsourcing-kurrentdb`, against the store in KURRENTDB_URI."""

import os
import unittest

from eventsourcing.tests import persistence as cases
from eventsourcing_kurrentdb.recorders import KurrentDBAggregateRecorder, KurrentDBApplicationRecorder
from kurrentdbclient import KurrentDBClient


def client():
    """A client of the store."""
    return KurrentDBClient(uri=os.environ["KURRENTDB_URI"])


class Aggregates(cases.AggregateRecorderTestCase):
    """Streams of aggregates."""

    INITIAL_VERSION = 0

    def create_recorder(self):
        return KurrentDBAggregateRecorder(client=client())


class Applications(cases.ApplicationRecorderTestCase):
    """Streams and the whole log of an application."""

    INITIAL_VERSION = 0
    EXPECT_CONTIGUOUS_NOTIFICATION_IDS = False
    # It wants a store without a single event and positions from 1 on, which no EventStoreDB has: the package's own tests
    # of its recorder replace it as well.
    test_insert_select = None

    def create_recorder(self):
        return KurrentDBApplicationRecorder(client=client())

    def test_concurrent_no_conflicts(self, initial_position=0):
        """From where the store is now."""
        super().test_concurrent_no_conflicts(initial_position=self.create_recorder().max_notification_id() or 0)


class Interleaving(cases.NonInterleavingNotificationIDsBaseCase):
    """Appends that race keep their events together."""

    def create_recorder(self):
        recorder = KurrentDBApplicationRecorder(client=client())
        recorder.validate_uuids = True
        return recorder


if __name__ == "__main__":
    # One client would do; each case makes its own, as applications do.
    unittest.main(verbosity=2)

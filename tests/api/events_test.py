"""GET /v1/events of a real server: what a sample says, who may follow, and how a stream ends."""

import http.client
import json
import signal
import time
import unittest

from api_server import Client
from harness import FlintTest, Server
from openapi_document import Document, closed, problems

DOCUMENT = Document()
SAMPLE = closed(DOCUMENT.resolved["components"]["schemas"]["Sample"])
MOST_STREAMS = 64


class Stream:
    def __init__(self, address, **fields):
        host, _, port = address.rpartition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.connection.request("GET", "/v1/events", headers=fields)
        self.answer = self.connection.getresponse()

    def sample(self):
        while line := self.answer.readline():
            if line.startswith(b"data: "):
                return json.loads(line.removeprefix(b"data: "))
        return None

    def close(self):
        self.answer.close()
        self.connection.close()


class EventsTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.server = self.enterContext(Server(self.data_dir, "--sync", "batch"))
        self.client = Client(self.server.bind)
        self.addCleanup(self.client.forget)

    def follow(self):
        stream = Stream(self.server.bind)
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.status, 200)
        return stream

    def call(self, method, target, body=None):
        answer = self.client.call(method, target, body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def test_a_sample_is_what_is_described(self):
        self.call("POST", "/v1/limits", {"key": 'odd:"\\\u202e*', "rate": 2, "per": "1d"})
        stream = self.follow()
        self.assertEqual(problems(SAMPLE, stream.sample()), [])
        for _ in range(3):
            self.call("POST", "/v1/check", {"key": 'odd:"\\\u202e1'})
        samples = [stream.sample(), stream.sample()]
        for sample in samples:
            self.assertEqual(problems(SAMPLE, sample), [])
        last = samples[-1]
        self.assertEqual((last["allowed"], last["denied"]), (2, 1))
        rule = next(rule for rule in last["rules"] if rule["rule"] == 'odd:"\\\u202e*')
        self.assertEqual((rule["allowed"], rule["denied"], rule["keys"]), (2, 1, 1))
        self.assertGreater(last["at"], samples[0]["at"])

    def test_it_is_told_what_it_is(self):
        stream = self.follow()
        self.assertEqual(stream.answer.getheader("Content-Type"), "text/event-stream")
        self.assertEqual(stream.answer.getheader("Cache-Control"), "no-store")

    # A stop waited for streams until the time to drain was over.
    def test_sigterm_ends_streams_at_once(self):
        streams = [self.follow() for _ in range(3)]
        for stream in streams:
            self.assertIsNotNone(stream.sample())
        began = time.monotonic()
        self.server.process.send_signal(signal.SIGTERM)
        for stream in streams:
            while stream.sample() is not None:
                pass
        self.assertEqual(self.server.process.wait(timeout=60), 0)
        # The time to drain is 10 s; a busy machine needs some of that for the rest.
        self.assertLess(time.monotonic() - began, 8)

    def test_a_thousand_streams_are_64_and_refusals(self):
        streams = [Stream(self.server.bind) for _ in range(MOST_STREAMS)]
        self.addCleanup(lambda: [stream.close() for stream in streams])
        self.assertEqual({stream.answer.status for stream in streams}, {200})
        for _ in range(1000 - MOST_STREAMS):
            refused = Stream(self.server.bind)
            self.assertEqual(refused.answer.status, 503)
            self.assertEqual(json.loads(refused.answer.read())["code"], "too_many_streams")
            refused.close()
        self.call("POST", "/v1/limits", {"key": "k", "rate": 2, "per": "1d"})
        self.assertIs(self.call("POST", "/v1/check", {"key": "k"})["allowed"], True)
        self.assertIsNotNone(streams[0].sample())

    def test_it_refuses_a_page_of_another_site(self):
        stream = Stream(self.server.bind, Origin="http://example.com")
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.status, 403)


if __name__ == "__main__":
    unittest.main(verbosity=2)

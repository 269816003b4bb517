"""Charges and reservations of a real server: killed between reserve and settle, settled late, twice and at once."""

import http.client
import random
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from api_server import Client
from harness import FlintTest, Server, wait_until

RATE = 10**9


class ReservationTest(FlintTest):
    def start(self, *arguments):
        self.server = Server(self.data_dir, *arguments)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.client = Client(self.server.bind)
        self.addCleanup(self.client.forget)

    def kill_and_restart(self):
        self.client.forget()
        self.server.process.kill()
        self.server.process.wait()
        self.start()

    def call(self, target, body=None, status=200):
        answer = self.client.call("GET" if body is None else "POST", target, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def limit(self, key, rate=100, algorithm="fixed_window_counter"):
        self.call("/v1/limits", {"key": key, "rate": rate, "per": "1d", "algorithm": algorithm})

    def reserve(self, *items, ttl="1h", **options):
        answer = self.call("/v1/reserve", {"items": items, "ttl": ttl, **options})
        self.assertTrue(answer["allowed"])
        return answer["reservation"]

    def commit(self, reservation, **costs):
        return self.call("/v1/commit", {"reservation": reservation, "costs": costs})

    def usage(self, key):
        """How much is used of a limit of 100, and how much of that is reserved."""
        status = self.call(f"/v1/limits/{key}")
        return status["rate"] - status["remaining"], status["reserved"]

    def state(self, reservation):
        return self.call(f"/v1/reservations/{reservation}")["state"]


class OrderTest(ReservationTest):
    def setUp(self):
        super().setUp()
        self.start("--sync", "batch")
        self.limit("a")
        self.limit("b")

    def test_a_commit_settles_up_and_down(self):
        reservation = self.reserve(["a", 10], ["b", 20])
        self.assertEqual((self.usage("a"), self.usage("b")), ((10, 10), (20, 20)))
        self.assertEqual(self.state(reservation), "held")
        answer = self.commit(reservation, a=3, b=25)
        self.assertIs(answer["ok"], True)
        self.assertEqual([(one["key"], one["cost"], one["remaining"]) for one in answer["results"]],
                         [("a", 3, 97), ("b", 25, 75)])
        self.assertEqual((self.usage("a"), self.usage("b")), ((3, 0), (25, 0)))
        self.assertEqual(self.state(reservation), "committed")

    def test_what_is_not_named_costs_what_was_reserved(self):
        reservation = self.reserve(["a", 10], ["b", 20])
        self.commit(reservation, a=0)
        self.assertEqual((self.usage("a"), self.usage("b")), ((0, 0), (20, 0)))

    def test_a_cancel_gives_everything_back(self):
        reservation = self.reserve(["a", 10], ["b", 20])
        answer = self.call("/v1/cancel", {"reservation": reservation})
        self.assertEqual([one["cost"] for one in answer["results"]], [0, 0])
        self.assertEqual((self.usage("a"), self.usage("b")), ((0, 0), (0, 0)))
        self.assertEqual(self.state(reservation), "cancelled")

    def test_a_denied_reservation_is_none(self):
        self.reserve(["a", 95])
        answer = self.call("/v1/reserve", {"items": ["b", ["a", 10]], "ttl": "1h"})
        self.assertEqual((answer["allowed"], answer["denied_key"]), (False, "a"))
        self.assertEqual((answer["reservation"], answer["expires_at"]), (None, None))
        self.assertEqual(self.usage("b"), (0, 0))

    def test_settling_twice_answers_what_the_first_time_answered(self):
        reservation = self.reserve(["a", 10])
        first = self.commit(reservation, a=4)
        self.reserve(["a", 30])
        self.assertEqual(self.commit(reservation, a=9), first)
        self.assertEqual(self.call("/v1/cancel", {"reservation": reservation}), first)
        self.assertEqual(self.usage("a"), (34, 30))

    def test_a_key_that_it_does_not_hold_is_refused_and_settles_nothing(self):
        reservation = self.reserve(["a", 10])
        answer = self.call("/v1/commit", {"reservation": reservation, "costs": {"a": 1, "b": 1}}, 400)
        self.assertEqual(answer["code"], "invalid_argument")
        self.assertEqual((self.state(reservation), self.usage("a")), ("held", (10, 10)))

    def test_a_reservation_that_is_not_known_is_404(self):
        unknown = "0" * 32
        for target, body in (("/v1/commit", {"reservation": unknown}), ("/v1/cancel", {"reservation": unknown}),
                             ("/v1/renew", {"reservation": unknown, "ttl": 1}), (f"/v1/reservations/{unknown}", None)):
            self.assertEqual(self.call(target, body, 404)["code"], "reservation_not_found")
        reservation = self.reserve("a")
        self.commit(reservation)
        self.assertEqual(self.call("/v1/renew", {"reservation": reservation, "ttl": 1}, 404)["code"],
                         "reservation_not_found")

    def test_a_charge_makes_a_debt_that_denies(self):
        self.assertTrue(self.call("/v1/charge", {"key": "a", "cost": 90})["allowed"])
        over = self.call("/v1/charge", {"key": "a", "cost": 50})
        self.assertEqual((over["allowed"], over["remaining"]), (False, 0))
        self.assertFalse(self.call("/v1/check", {"key": "a"})["allowed"])
        kinds = [event["kind"] for event in self.call("/v1/history/a")]
        self.assertEqual(kinds.count("charged"), 2)

    def test_a_commit_beyond_the_limit_is_charged_all_the_same(self):
        reservation = self.reserve(["a", 90])
        answer = self.commit(reservation, a=150)
        self.assertFalse(answer["results"][0]["allowed"])
        self.assertEqual(answer["results"][0]["cost"], 150)
        self.assertFalse(self.call("/v1/check", {"key": "a"})["allowed"])

    def test_a_repeat_reserves_nothing_again(self):
        body = {"items": [["a", 10]], "ttl": "1h", "request_id": "order-7"}
        first = self.call("/v1/reserve", body)
        self.assertEqual(self.call("/v1/reserve", body)["reservation"], first["reservation"])
        self.assertEqual(self.usage("a"), (10, 10))
        self.call("/v1/reserve", {**body, "items": [["a", 11]]}, 409)
        charge = {"key": "b", "cost": 5, "request_id": "order-8"}
        self.assertEqual(self.call("/v1/charge", charge), self.call("/v1/charge", charge))
        self.assertEqual(self.usage("b"), (5, 0))

    def test_history_and_metrics_tell_of_them(self):
        self.commit(self.reserve(["a", 10]), a=4)
        self.reserve("a", ttl="1ms")
        self.reserve("b")
        kinds = [(event["kind"], event["cost"]) for event in self.call("/v1/history/a")]
        self.assertIn(("reserved", 10), kinds)
        self.assertIn(("settled", 4), kinds)
        wait_until(lambda: b"\nflint_reservations_expired_total 1\n" in self.client.call("GET", "/metrics").body,
                   "an expiry in the metrics")
        metrics = self.client.call("GET", "/metrics").body
        self.assertIn(b"\nflint_reservations 1\n", metrics)
        self.assertIn(b"\nflint_reservations_full_total 0\n", metrics)

    def test_the_holder_of_a_check_token_may_reserve_and_settle(self):
        tokens = self.folder / "tokens"
        tokens.write_text("check c-token\nmetrics m-token\nadmin a-token\n")
        tokens.chmod(0o600)
        self.assertEqual(self.server.stop(), 0)
        self.start("--token-file", str(tokens))

        def call(token, target, body=None):
            return self.client.call("POST" if body else "GET", target, body, f"Authorization: Bearer {token}")

        reservation = call("c-token", "/v1/reserve", {"items": ["a"], "ttl": 60}).json()["reservation"]
        for target, body in (("/v1/charge", {"key": "a", "cost": 1}), (f"/v1/reservations/{reservation}", None),
                             ("/v1/renew", {"reservation": reservation, "ttl": 60}),
                             ("/v1/commit", {"reservation": reservation}),
                             ("/v1/cancel", {"reservation": reservation})):
            self.assertEqual(call("m-token", target, body).status, 403)
            self.assertEqual(call("c-token", target, body).status, 200)


class LateTest(ReservationTest):
    def setUp(self):
        super().setUp()
        self.start("--sync", "batch")
        self.limit("a")

    def expired(self, on_expiry):
        reservation = self.reserve(["a", 10], ttl="20ms", on_expiry=on_expiry)
        wait_until(lambda: self.state(reservation) == "expired", "the end of the reservation")
        return reservation

    def test_what_expires_is_kept_or_returned_as_asked(self):
        self.expired("keep")
        self.assertEqual(self.usage("a"), (10, 0))
        self.expired("return")
        self.assertEqual(self.usage("a"), (10, 0))

    def test_a_late_commit_settles_against_what_was_kept_or_returned(self):
        for on_expiry, used in (("keep", 10), ("return", 0)):
            self.call("/v1/reset", {"key": "a"})
            reservation = self.expired(on_expiry)
            self.assertEqual(self.usage("a"), (used, 0))
            first = self.commit(reservation, a=7)
            self.assertEqual(self.usage("a"), (7, 0))
            self.assertEqual(self.commit(reservation, a=8), first)

    def test_a_renewed_one_is_held_for_longer(self):
        reservation = self.reserve(["a", 10], ttl="300ms", on_expiry="return")
        before = self.call(f"/v1/reservations/{reservation}")
        renewed = self.call("/v1/renew", {"reservation": reservation, "ttl": "1h"})
        self.assertGreater(renewed["expires_at"], before["expires_at"])
        time.sleep(0.4)
        self.assertEqual((self.state(reservation), self.usage("a")), ("held", (10, 10)))


class KilledTest(ReservationTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.limit("a")

    def test_a_reservation_outlives_the_server(self):
        reservation = self.reserve(["a", 10])
        told = self.call(f"/v1/reservations/{reservation}")
        self.kill_and_restart()
        self.assertEqual(self.call(f"/v1/reservations/{reservation}"), told)
        self.assertEqual(self.usage("a"), (10, 10))
        first = self.commit(reservation, a=4)
        self.assertEqual(self.usage("a"), (4, 0))
        self.kill_and_restart()
        self.assertEqual(self.commit(reservation, a=9)["results"][0]["cost"], first["results"][0]["cost"])
        self.assertEqual(self.usage("a"), (4, 0))

    def test_nothing_is_held_beyond_its_end(self):
        self.limit("b")
        self.reserve(["a", 10], ttl="300ms", on_expiry="return")
        self.reserve(["b", 10], ttl="300ms", on_expiry="keep")
        self.kill_and_restart()
        wait_until(lambda: self.usage("a")[1] == self.usage("b")[1] == 0, "the end of the reservations")
        for _ in range(2):
            self.assertEqual((self.usage("a"), self.usage("b")), ((0, 0), (10, 0)))
            self.kill_and_restart()

    def test_under_load_nothing_is_leaked_or_doubled(self):
        seed = random.randrange(2**32)
        print(f"(seed {seed})", end=" ")
        dice = random.Random(seed)
        self.limit("sum", RATE)
        least = most = 0
        for _ in range(5):
            with ThreadPoolExecutor(4) as pool:
                workers = [pool.submit(self.work, random.Random(dice.random())) for _ in range(4)]
                time.sleep(dice.uniform(0.05, 0.3))
                self.server.process.kill()
                for worker in workers:
                    low, high = worker.result()
                    least += low
                    most += high
            self.kill_and_restart()
        wait_until(lambda: self.usage("sum")[1] == 0, "the end of the last reservation")
        used, _ = self.usage("sum")
        self.assertLessEqual(least, used)
        self.assertLessEqual(used, most)
        self.assertGreater(used, 0)

    def work(self, dice):
        """Reserves and settles until the server dies. Returns what must be used in the end, and what may be."""
        least = most = 0
        with Client(self.server.bind) as client:
            try:
                while True:
                    open_cost = dice.randrange(1, 100)
                    body = {"items": [["sum", open_cost]], "ttl": "2s", "on_expiry": "return"}
                    reservation = client.call("POST", "/v1/reserve", body).json()["reservation"]
                    action = dice.randrange(3)
                    if action == 0:
                        client.call("POST", "/v1/cancel", {"reservation": reservation})
                    elif action == 1:
                        actual = dice.randrange(200)
                        most += actual
                        client.call("POST", "/v1/commit", {"reservation": reservation, "costs": {"sum": actual}})
                        least += actual
            except (OSError, http.client.HTTPException):
                return least, most


class RaceTest(ReservationTest):
    def test_of_two_settlements_one_counts_and_both_answer_the_same(self):
        self.start("--sync", "batch", "--threads", "2")
        self.limit("a", RATE)
        used = 0
        with Client(self.server.bind) as other, ThreadPoolExecutor(2) as pool:
            for turn in range(100):
                reservation = self.reserve(["a", 10])
                requests = [("/v1/commit", {"reservation": reservation, "costs": {"a": 3}}),
                            ("/v1/commit", {"reservation": reservation, "costs": {"a": 8}})
                            if turn % 2 else ("/v1/cancel", {"reservation": reservation})]
                answers = [answer.json() for answer in
                           pool.map(lambda both: both[0].call("POST", *both[1]), zip((self.client, other), requests))]
                self.assertEqual(answers[0], answers[1])
                self.assertIs(answers[0]["ok"], True)
                used += answers[0]["results"][0]["cost"]
        self.assertEqual(self.usage("a"), (used, 0))


class SlotsTest(ReservationTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.limit("slots", 2, "concurrency")

    def test_slots_are_held_until_they_are_released(self):
        first, second = self.reserve("slots"), self.reserve("slots")
        denied = self.call("/v1/reserve", {"items": ["slots"], "ttl": 60})
        self.assertFalse(denied["allowed"])
        self.assertGreater(denied["results"][0]["retry_after_ms"], 0)
        self.commit(first)
        third = self.reserve("slots")
        self.call("/v1/cancel", {"reservation": second})
        self.assertEqual(self.usage("slots"), (1, 1))
        self.kill_and_restart()
        self.assertEqual(self.usage("slots"), (1, 1))
        self.commit(third)
        self.assertEqual(self.usage("slots"), (0, 0))

    def test_a_slot_is_free_at_its_end_whatever_happened_to_its_holder(self):
        self.reserve(["slots", 2], ttl="200ms", on_expiry="keep")
        self.kill_and_restart()
        wait_until(lambda: self.usage("slots") == (0, 0), "the end of the slots")
        self.reserve(["slots", 2])

    def test_only_a_reservation_takes_one(self):
        for target, body in (("/v1/check", {"key": "slots"}), ("/v1/charge", {"key": "slots", "cost": 1}),
                             ("/v1/check-all", {"items": ["slots"]})):
            self.assertEqual(self.call(target, body, 400)["code"], "invalid_argument")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""Charges and reservations from the command, in a directory and through a server."""

import unittest

from harness import DENIED, DONE, USAGE, FlintTest, Server, flint

UNKNOWN = "0" * 32


class ReservationsTest(FlintTest):
    def where(self):
        return ("--data-dir", self.data_dir)

    def run_ok(self, *arguments, code=DONE):
        return self.ok(flint(*self.where(), *arguments), code)

    def reserve(self, *items, code=DONE):
        return self.run_ok("limit", "reserve", *items, "--json", code=code).json()

    def usage(self):
        status = self.run_ok("limit", "status", "k", "--json").json()
        return 100 - status["remaining"], status["reserved"]

    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "k", "100/d", "fixed_window_counter"))
        self.ok(self.local("limit", "add", "slots", "1/d", "concurrency"))

    def test_a_reservation_from_its_begin_to_its_end(self):
        made = self.reserve("k=10", "--ttl", "1h")
        self.assertEqual(self.usage(), (10, 10))
        renewed = self.run_ok("limit", "renew", made["reservation"], "--ttl", "2h", "--json").json()
        self.assertEqual((renewed["reservation"], renewed["state"]), (made["reservation"], "held"))
        self.assertGreater(renewed["expires_at"], made["expires_at"])
        settled = self.run_ok("limit", "commit", made["reservation"], "k=4", "--json").json()
        self.assertEqual([(one["key"], one["cost"]) for one in settled["results"]], [("k", 4)])
        self.assertEqual(self.usage(), (4, 0))
        again = self.run_ok("limit", "cancel", made["reservation"], "--json").json()
        self.assertEqual(again["results"][0]["cost"], 4)
        shown = self.run_ok("limit", "reservation", made["reservation"], "--json").json()
        self.assertEqual((shown["state"], shown["items"]), ("committed", [{"key": "k", "cost": 10}]))

    def test_a_denied_one_exits_with_1(self):
        self.reserve("slots", "--ttl", "1h")
        denied = self.reserve("k", "slots", "--ttl", "1h", code=DENIED)
        self.assertEqual((denied["denied_key"], denied["reservation"]), ("slots", None))
        text = self.run_ok("limit", "reserve", "k", "slots", "--ttl", "1h", code=DENIED).out
        self.assertIn('Denied by "slots"; nothing was consumed.', text)
        self.assertEqual(self.usage(), (0, 0))

    def test_a_repeat_reserves_nothing_again(self):
        once = self.reserve("k=10", "--ttl", "1h", "--request-id", "order-7")
        self.assertEqual(self.reserve("k=10", "--ttl", "1h", "--request-id", "order-7")["reservation"],
                         once["reservation"])
        self.assertEqual(self.usage(), (10, 10))

    def test_a_charge_is_done_also_where_it_does_not_fit(self):
        self.assertEqual(self.run_ok("limit", "charge", "k", "--cost", "90").out,
                         'Charged: 90 to "k"; 10 of 100 remaining, full again in 1 d.\n')
        self.assertIn("It did not fit", self.run_ok("limit", "charge", "k", "--cost", "90").out)
        self.run_ok("limit", "check", "k", code=DENIED)
        self.assertIn("charged", self.run_ok("limit", "history", "k").out)

    def test_people_read_tables_and_sentences(self):
        text = self.run_ok("limit", "reserve", "k=10", "--ttl", "1h").out
        self.assertRegex(text, r"\nAllowed: 1 key\.\nReservation [0-9a-f]{32}, held until \S+Z\.\n\Z")
        self.assertRegex(self.run_ok("limit", "status", "k").out, r"\nreserved +10\n")
        reservation = text.split()[-4].rstrip(",")
        self.assertRegex(self.run_ok("limit", "reservation", reservation).out, r'\nholds +10 of "k"\n\Z')
        self.assertRegex(self.run_ok("limit", "commit", reservation).out,
                         r"\AKEY +CHARGED +REMAINING +LIMIT\nk +10 +90 +100\nReservation [0-9a-f]{32} is settled\.\n\Z")

    def test_what_is_wrong_is_said(self):
        for arguments, words in (
                (["commit", UNKNOWN], "reservation"), (["cancel", UNKNOWN], "reservation"),
                (["renew", UNKNOWN, "--ttl", "1m"], "reservation"), (["reservation", UNKNOWN], "reservation"),
                (["commit", UNKNOWN, "k"], "KEY=ACTUAL"), (["commit", UNKNOWN, "k=1", "k=1"], "twice"),
                (["reservation", "short"], "32 hexadecimal digits"), (["commit"], "ID"),
                (["reserve", "k"], "--ttl TIME"), (["reserve", "k", "--ttl", "soon"], "ttl"),
                (["reserve", "absent", "--ttl", "1m"], "absent"), (["charge", "k"], "--cost N"),
                (["charge", "absent", "--cost", "1"], "absent"), (["charge", "slots", "--cost", "1"], "slots")):
            with self.subTest(arguments=arguments):
                self.refused(flint(*self.where(), "limit", *arguments), USAGE, words)


class ServedReservationsTest(ReservationsTest):
    def where(self):
        return ("--server", self.server.url)

    def setUp(self):
        super().setUp()
        self.server = Server(self.data_dir, "--sync", "batch")
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)


if __name__ == "__main__":
    unittest.main(verbosity=2)

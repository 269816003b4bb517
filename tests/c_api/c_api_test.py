"""The C interface, from Python's ctypes and from Node: over a data directory, and over a server behind it."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

LIBRARY = Path(sys.argv.pop(2)).resolve()
ROOT = Path(os.environ["FLINT_ROOT"])
sys.path.insert(0, str(ROOT / "tests/cli"))

from harness import FlintTest, Server, free_port  # noqa: E402, it takes the program's path from sys.argv
from tls_proxy import TlsProxyTest  # noqa: E402

OK, INVALID, NOT_FOUND, LOCKED, UNAVAILABLE = 0, 1, 2, 4, 13
POINTER, TEXT, SIZE, I32, I64, U64 = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int32,
                                      ctypes.c_int64, ctypes.c_uint64)


class Error(ctypes.Structure):
    _fields_ = [("size", SIZE), ("code", I32), ("message", ctypes.c_char * 1020)]


class Options(ctypes.Structure):
    _fields_ = [("size", SIZE), ("batch", I32), ("allow_when_full", I32), ("flush_every_ms", U64),
                ("flush_every_events", U64), ("max_unsynced_ms", U64), ("max_keys", U64), ("lock_timeout_ms", U64),
                ("token", TEXT), ("timeout_ms", U64), ("ca_file", TEXT), ("cert_file", TEXT), ("key_file", TEXT)]


class Decision(ctypes.Structure):
    _fields_ = [("size", SIZE), ("allowed", I32), ("algorithm", I32), ("cost", U64), ("limit", U64),
                ("remaining", U64), ("reset_at_ms", I64), ("reset_after_ms", U64), ("retry_after_ms", I64),
                ("keys_full", I32), ("would_deny", I32)]


class LongerDecision(Decision):
    """As a later header has it."""
    _fields_ = [("later", U64)]


class CheckOptions(ctypes.Structure):
    _fields_ = [("size", SIZE), ("limit", TEXT), ("request_id", TEXT), ("dry_run", I32)]


class LongerCheckOptions(CheckOptions):
    _fields_ = [("later", U64)]


class Status(ctypes.Structure):
    _fields_ = [("size", SIZE), ("remaining", U64), ("reset_at_ms", I64), ("total_allowed", U64),
                ("total_denied", U64), ("total_allowed_cost", U64), ("total_denied_cost", U64)]


class Item(ctypes.Structure):
    _fields_ = [("size", SIZE), ("key", TEXT), ("cost", U64), ("limit", TEXT)]


class LongerItem(Item):
    _fields_ = [("later", U64)]


class ReserveOptions(ctypes.Structure):
    _fields_ = [("size", SIZE), ("ttl_ms", U64), ("return_on_expiry", I32), ("request_id", TEXT)]


class Reservation(ctypes.Structure):
    _fields_ = [("size", SIZE), ("allowed", I32), ("denied_item", I32), ("retry_after_ms", I64),
                ("expires_at_ms", I64), ("id", ctypes.c_char * 40)]


def sized(kind, **members):
    return kind(size=ctypes.sizeof(kind), **members)


library = ctypes.CDLL(str(LIBRARY))
library.flint_code_name.restype = library.flint_version.restype = TEXT
for function, arguments in {
        "flint_open": [TEXT, POINTER, POINTER, POINTER],
        "flint_close": [POINTER, POINTER],
        "flint_check": [POINTER, TEXT, U64, POINTER, POINTER],
        "flint_check_with": [POINTER, TEXT, U64, POINTER, POINTER, POINTER],
        "flint_charge": [POINTER, TEXT, U64, POINTER, POINTER, POINTER],
        "flint_reserve": [POINTER, POINTER, SIZE, POINTER, POINTER, POINTER],
        "flint_commit": [POINTER, TEXT, POINTER, SIZE, POINTER],
        "flint_cancel": [POINTER, TEXT, POINTER],
        "flint_limit": [POINTER, TEXT, TEXT, POINTER],
        "flint_status_of": [POINTER, TEXT, POINTER, POINTER],
        "flint_reset": [POINTER, TEXT, POINTER],
        "flint_flush": [POINTER, POINTER]}.items():
    getattr(library, function).argtypes = arguments


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Flint:
    """As a binding would be written."""

    def __init__(self, where, **options):
        self.handle = POINTER()
        self.call("flint_open", str(where).encode(), ctypes.byref(sized(Options, **options)),
                  ctypes.byref(self.handle))

    @staticmethod
    def call(name, *arguments):
        error = sized(Error)
        code = getattr(library, name)(*arguments, ctypes.byref(error))
        assert code == error.code, (code, error.code)
        if code != OK:
            raise Refused(code, error.message.decode())
        assert error.message == b"", error.message

    def close(self):
        handle, self.handle = self.handle, POINTER()
        self.call("flint_close", handle)

    def check(self, key, cost=1, kind=Decision, options=CheckOptions, **members):
        decision = sized(kind)
        given = ctypes.byref(sized(options, **members)) if members else None
        self.call("flint_check_with", self.handle, key.encode(), cost, given, ctypes.byref(decision))
        return decision

    def charge(self, key, cost, **members):
        decision = sized(Decision)
        given = ctypes.byref(sized(CheckOptions, **members)) if members else None
        self.call("flint_charge", self.handle, key.encode(), cost, given, ctypes.byref(decision))
        return decision

    @staticmethod
    def items(costs, kind=Item, **members):
        return (kind * len(costs))(*[sized(kind, key=key.encode(), cost=cost, **members)
                                     for key, cost in costs.items()])

    def reserve(self, costs, ttl_ms=60_000, kind=Item, limit=None, **members):
        reservation = sized(Reservation)
        self.call("flint_reserve", self.handle, self.items(costs, kind, limit=limit), len(costs),
                  ctypes.byref(sized(ReserveOptions, ttl_ms=ttl_ms, **members)), ctypes.byref(reservation))
        return reservation

    def commit(self, reservation, costs):
        self.call("flint_commit", self.handle, reservation.id, self.items(costs) if costs else None, len(costs))

    def cancel(self, reservation):
        self.call("flint_cancel", self.handle, reservation.id)

    def limit(self, key, limit):
        self.call("flint_limit", self.handle, key.encode(), limit.encode())

    def status(self, key):
        status = sized(Status)
        self.call("flint_status_of", self.handle, key.encode(), ctypes.byref(status))
        return status


class Reservations:
    """What both kinds of limiter do."""

    def check_reservations(self, flint):
        for key in ("a", "b"):
            flint.limit(key, "10/d")
        held = flint.reserve({"a": 6, "b": 5}, return_on_expiry=1)
        self.assertEqual((1, -1, 0, 32), (held.allowed, held.denied_item, held.retry_after_ms, len(held.id)))
        self.assertGreater(held.expires_at_ms, 1_700_000_000_000)
        denied = flint.reserve({"b": 5, "a": 5})
        self.assertEqual((0, 1, b"", 0), (denied.allowed, denied.denied_item, denied.id, denied.expires_at_ms))
        self.assertGreater(denied.retry_after_ms, 1000)
        flint.commit(held, {"a": 2})
        self.assertEqual((8, 5), (flint.status("a").remaining, flint.status("b").remaining))
        # Settling again does nothing.
        flint.cancel(held)
        self.assertEqual((8, 5), (flint.status("a").remaining, flint.status("b").remaining))
        other = flint.reserve({"a": 8}, kind=LongerItem)
        self.assertEqual(0, flint.status("a").remaining)
        flint.cancel(other)
        self.assertEqual(8, flint.status("a").remaining)
        whole = flint.reserve({"a": 1, "c": 1}, limit=b"10/d", request_id=b"once")
        self.assertEqual(whole.id, flint.reserve({"a": 1, "c": 1}, limit=b"10/d", request_id=b"once").id)
        flint.commit(whole, {})
        self.assertEqual(9, flint.status("c").remaining)

        self.assertEqual(0, flint.charge("b", 7).allowed)
        self.assertEqual(0, flint.status("b").remaining)
        for _ in range(2):
            self.assertEqual(1, flint.charge("d", 3, limit=b"5/d", request_id=b"charge").allowed)
        self.assertEqual(2, flint.status("d").remaining)
        unknown = Reservation(id=b"0" * 32)
        for code, word, wrong in ((15, "reservation", lambda: flint.cancel(unknown)),
                                  (15, "reservation", lambda: flint.commit(unknown, {"a": 1})),
                                  (INVALID, "ttl_ms", lambda: flint.reserve({"a": 1}, ttl_ms=0)),
                                  (INVALID, "ttl_ms", lambda: flint.reserve({"a": 1}, ttl_ms=2**63)),
                                  (INVALID, "request_id", lambda: flint.reserve({"a": 1}, request_id=b"")),
                                  (INVALID, "limit", lambda: flint.reserve({"a": 1}, limit=b"often")),
                                  (INVALID, "dry_run", lambda: flint.charge("a", 1, dry_run=1))):
            with self.assertRaises(Refused) as refused:
                wrong()
            self.assertEqual(code, refused.exception.code, refused.exception)
            self.assertIn(word, refused.exception.message)


class EmbeddedTest(FlintTest, Reservations):
    def open(self, **options):
        flint = Flint(self.data_dir, **options)
        self.addCleanup(lambda: flint.handle and flint.close())
        return flint

    def refuses(self, code, *words):
        """A context manager: a failure with `code` and `words`."""
        test = self

        class Refuses:
            def __enter__(self):
                return self

            def __exit__(self, kind, refused, _):
                test.assertIs(Refused, kind)
                test.assertEqual(code, refused.code, refused.message)
                for word in words:
                    test.assertIn(word, refused.message)
                return True

        return Refuses()

    def test_a_limit_is_decided(self):
        flint = self.open()
        flint.limit("k", "5/h burst 7")
        decision = flint.check("k", 3)
        self.assertEqual((1, 1, 3, 7, 4, 0, 0, -1),
                         (decision.allowed, decision.algorithm, decision.cost, decision.limit, decision.remaining,
                          decision.retry_after_ms, decision.keys_full, decision.would_deny))
        denied = flint.check("k", 7)
        self.assertEqual(0, denied.allowed)
        self.assertGreater(denied.retry_after_ms, 3_590_000 / 5 * 3 - 1000)
        self.assertGreater(denied.reset_at_ms, 1_700_000_000_000)
        plain = sized(Decision)
        self.assertEqual(OK, library.flint_check(flint.handle, b"k", 1, ctypes.byref(plain), None))
        self.assertEqual(3, plain.remaining)
        status = flint.status("k")
        self.assertEqual((3, 2, 1, 4, 7), (status.remaining, status.total_allowed, status.total_denied,
                                           status.total_allowed_cost, status.total_denied_cost))
        flint.call("flint_reset", flint.handle, b"k")
        self.assertEqual(7, flint.status("k").remaining)
        flint.call("flint_flush", flint.handle)

    def test_checks_carry_limits_dry_runs_and_names(self):
        flint = self.open()
        self.assertEqual(2, flint.check("k", limit=b"3/h", dry_run=1).remaining)
        for _ in range(2):
            self.assertEqual(2, flint.check("k", limit=b"3/h", request_id=b"once").remaining)
        with self.refuses(3, "request_id"):
            flint.check("k", 2, limit=b"3/h", request_id=b"once")
        for members, word in (({"limit": b"3/x"}, "limit"), ({"limit": b"3/h", "request_id": b""}, "request_id"),
                              ({"limit": b"3/h", "request_id": b"a b"}, "request_id")):
            with self.refuses(INVALID, word):
                flint.check("k", **members)

    def test_failures_are_codes_and_sentences(self):
        flint = self.open()
        with self.refuses(NOT_FOUND, "nobody"):
            flint.check("nobody")
        with self.refuses(INVALID, "cost"):
            flint.check("k", 0, limit=b"3/h")
        with self.refuses(INVALID, "key"):
            flint.check("", 1)
        with self.refuses(LOCKED, "process"):
            Flint(self.data_dir)
        with self.refuses(INVALID, "flush_every"):
            Flint(self.folder / "other", flush_every_ms=2**64 - 1)
        flint.limit("k", "1/h")
        decision = sized(Decision)
        self.assertEqual(INVALID, library.flint_check(None, b"k", 1, ctypes.byref(decision), None))
        self.assertEqual(INVALID, library.flint_check(flint.handle, None, 1, ctypes.byref(decision), None))
        self.assertEqual(INVALID, library.flint_check(flint.handle, b"k", 1, None, None))
        self.assertEqual(INVALID, library.flint_open(None, None, ctypes.byref(POINTER()), None))
        self.assertEqual(INVALID, library.flint_open(b"x", None, None, None))
        self.assertEqual(0, flint.status("k").total_allowed)
        self.assertEqual(OK, library.flint_close(None, None))
        self.assertEqual(["ok", "invalid_argument", "limit_not_found", "unknown"],
                         [library.flint_code_name(code).decode() for code in (OK, INVALID, NOT_FOUND, 99)])
        names = {library.flint_code_name(code) for code in range(17)}
        self.assertEqual(17, len(names))
        self.assertNotIn(b"unknown", names)
        version = re.search(r"^project\(.* VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
        self.assertEqual(version, library.flint_version().decode())

    def test_a_long_sentence_is_cut_between_characters(self):
        where = "http://" + "ü" * 600
        error = sized(Error)
        handle = POINTER(1)
        self.assertEqual(INVALID, library.flint_open(where.encode(), None, ctypes.byref(handle), ctypes.byref(error)))
        self.assertIsNone(handle.value)
        error.message.decode()
        short = Error(size=8)
        self.assertEqual(INVALID, library.flint_open(where.encode(), None, ctypes.byref(handle), ctypes.byref(short)))
        self.assertEqual((8, 0), (short.size, short.code))

    def test_structures_may_grow(self):
        flint = self.open()
        flint.limit("k", "9/h")
        longer = sized(LongerDecision, later=7)
        flint.call("flint_check", flint.handle, b"k", 1, ctypes.byref(longer))
        self.assertEqual((8, 0, ctypes.sizeof(LongerDecision)), (longer.remaining, longer.later, longer.size))
        self.assertEqual(7, flint.check("k", options=LongerCheckOptions, dry_run=0, later=0).remaining)
        with self.refuses(INVALID, "members that this version of Flint does not know"):
            flint.check("k", options=LongerCheckOptions, later=1)
        for size in (0, ctypes.sizeof(Decision) - 1, 2**60):
            with self.refuses(INVALID, "decision has a wrong size"):
                flint.call("flint_check", flint.handle, b"k", 1, ctypes.byref(Decision(size=size)))
            with self.refuses(INVALID, "options has a wrong size"):
                flint.call("flint_open", b"x", ctypes.byref(Options(size=size)), ctypes.byref(POINTER()))
        self.assertEqual(2, flint.status("k").total_allowed)

    def test_units_are_charged_reserved_and_settled(self):
        flint = self.open()
        self.check_reservations(flint)
        mixed = (Item * 2)(sized(Item, key=b"a", cost=1), Item(size=ctypes.sizeof(Item) + 8, key=b"b", cost=1))
        with self.refuses(INVALID, "an item"):
            flint.call("flint_reserve", flint.handle, mixed, 2, ctypes.byref(sized(ReserveOptions, ttl_ms=1000)),
                       ctypes.byref(sized(Reservation)))

    def test_what_was_used_is_there_after_a_close(self):
        flint = self.open(batch=1)
        flint.limit("k", "2/h")
        flint.check("k", 2)
        flint.close()
        self.assertEqual(0, self.open().check("k").allowed)

    def test_only_the_functions_of_the_header_are_shown(self):
        header = (ROOT / "include/flint_limiter.h").read_text()
        declared = set(re.findall(r"^(?:flint_code|const char\*) (flint_\w+)\(", header, re.MULTILINE))
        listed = subprocess.run(["nm", "--dynamic", "--defined-only", LIBRARY], stdout=subprocess.PIPE, text=True,
                                check=True).stdout
        shown = {line.split()[-1].split("@")[0] for line in listed.splitlines()}
        self.assertEqual(declared, shown)


class SharedTest(FlintTest, Reservations):
    def test_a_server_charges_reserves_and_settles(self):
        with Server(self.data_dir) as server:
            flint = Flint(server.url)
            self.check_reservations(flint)
            flint.close()

    def test_a_server_is_asked(self):
        with Server(self.data_dir) as server:
            for where in (server.url, f"unix:{self.data_dir}/flint.sock"):
                flint = Flint(where)
                flint.limit(where, "4/h")
                self.assertEqual(2, flint.check(where, 2).remaining)
                self.assertEqual(1, flint.check(where, limit=b"9/h").remaining)
                self.assertEqual(0, flint.check(where, 2).allowed)
                self.assertEqual((2, 1), (flint.status(where).total_allowed, flint.status(where).total_denied))
                flint.close()

    def test_threads_share_a_limiter(self):
        with Server(self.data_dir, "--token-file", self.token()) as server:
            flint = Flint(server.url, token=b"secret")
            flint.limit("k", "100/d")
            allowed = []
            threads = [threading.Thread(target=lambda: allowed.extend(
                flint.check("k").allowed for _ in range(30))) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((100, 180), (sum(allowed), len(allowed)))
            flint.close()
            stranger = Flint(server.url)
            with self.assertRaisesRegex(Refused, "^6: .*token"):
                stranger.check("k")
            stranger.close()

    def token(self):
        path = self.folder / "token"
        path.write_text("secret\n")
        return path

    def test_a_restarted_server_costs_no_call(self):
        bind = f"127.0.0.1:{free_port()}"
        flint = Flint(f"http://{bind}", timeout_ms=5000)
        with self.assertRaisesRegex(Refused, "^13: Cannot reach"):
            flint.check("k")
        for _ in range(3):
            with Server(self.data_dir, bind=bind) as server:
                flint.limit("k", "3/d")
                self.assertEqual(1, flint.check("k").allowed)
                server.stop()
        with self.assertRaisesRegex(Refused, "^13: Cannot reach"):
            flint.check("k")
        flint.close()
        self.assertEqual(3, self.local("--json", "limit", "status", "k").json()["total_allowed"])


class TlsTest(TlsProxyTest):
    def test_connections_through_a_proxy_may_end_at_any_time(self):
        self.certificate("client", "DNS:client")
        verify = f"ssl_client_certificate {self.folder}/ca.pem; ssl_verify_client on;"
        self.start_proxy(lasting=("server", verify), once=("server", verify + " keepalive_requests 1;"),
                         short=("server", verify + " keepalive_timeout 100ms;"))
        certificate = {"cert_file": bytes(self.folder / "client.pem"), "key_file": bytes(self.folder / "client.key")}
        for name in self.ports:
            flint = Flint(self.url(name), ca_file=bytes(self.folder / "ca.pem"), **certificate)
            flint.limit(name, "5/d")
            for left in (4, 3, 2, 1, 0):
                if name == "short":
                    time.sleep(0.3)  # longer than the proxy keeps a connection
                self.assertEqual(left, flint.check(name).remaining)
            flint.close()
        stranger = Flint(self.url("lasting"))
        with self.assertRaisesRegex(Refused, "^13: .*is not trusted.*SharedOptions::ca_file"):
            stranger.check("k")
        stranger.close()
        with self.assertRaisesRegex(Refused, "^1: .*CA file"):
            Flint(self.url("lasting"), ca_file=b"absent")


class NodeTest(FlintTest):
    def test_node_calls_it(self):
        environment = {**os.environ, "FLINT_C": str(LIBRARY), "FLINT_TEST_DIR": str(self.data_dir)}
        if not shutil.which("node"):
            self.skipTest("node is not installed")
        if subprocess.run(["node", "-e", "require('koffi')"], env=environment, stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("koffi is not installed: npm install koffi, and set NODE_PATH to its node_modules")
        done = subprocess.run(["node", ROOT / "tests/c_api/check.js"], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertEqual("allowed 1\nallowed 0\ndenied\n2 no limit is configured for key \"nobody\".\n", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

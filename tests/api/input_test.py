"""Wrong input of every kind to every field of the API and every argument of the command: refused by a sentence that
names the field and says what is allowed, and nothing has changed afterwards."""

import unittest
from concurrent.futures import ThreadPoolExecutor

from api_server import Client
from harness import USAGE, FlintTest, Server, comparable, flint
from input_table import (BODIES, INVALID_UTF8, JSON_KINDS, MOST_UNITS, NOT_NUMBERS, Case, argument_choice,
                         argument_key, argument_numbers, argument_period, argument_rate_string, argument_reservation,
                         cases, path_key, path_reservation, query_by, query_number, query_text, server_numbers)

# The fields of each body, in their right form, with their kinds.
BODY_FIELDS = {
    "/v1/check": {"key": (b'"k"', "key"), "cost": (b"1", "units"), "request_id": (b'"id"', "request id")},
    "/v1/limits": {"key": (b'"k"', "key"), "rate": (b"7", "units"), "per": (b'"1s"', "period"),
                   "algorithm": (b'"token_bucket"', "algorithm"), "burst": (b"9", "units"),
                   "mode": (b'"block"', "mode")},
    "/v1/reset": {"key": (b'"k"', "key")},
    "/v1/charge": {"key": (b'"k"', "key"), "cost": (b"1", "units"), "request_id": (b'"id"', "request id")},
    "/v1/reserve": {"items": (b'["k"]', "items"), "ttl": (b'"1m"', "ttl"), "on_expiry": (b'"keep"', "on expiry"),
                    "request_id": (b'"id"', "request id")},
    "/v1/commit": {"reservation": (b'"' + b"0" * 32 + b'"', "reservation"), "costs": (b'{"k":1}', "costs")},
    "/v1/cancel": {"reservation": (b'"' + b"0" * 32 + b'"', "reservation")},
    "/v1/renew": {"reservation": (b'"' + b"0" * 32 + b'"', "reservation"), "ttl": (b'"1m"', "ttl")},
}
OPTIONAL = {"algorithm", "burst", "mode", "request_id", "on_expiry", "costs"}
NO_BODY = ["/v1/log/flush", "/v1/log/compact"]

# An item of check-all in each of its forms: where its fields stand, and what is sent around a value.
ITEM_FORMS = [
    ("items[1].key", "key", b'{"key":%s,"cost":1}'), ("items[1].cost", "units", b'{"key":"k","cost":%s}'),
    ("items[1][0]", "key", b"[%s,1]"), ("items[1][1]", "units", b'["k",%s]'),
]

QUERY_FIELDS = {
    "/v1/limits": {"limit": query_number(1_000_000_000), "prefix": query_text(), "after": query_text()},
    "/v1/history/k": {"limit": query_number(10_000)},
    "/v1/top": {"limit": query_number(10_000), "by": query_by()},
}
NO_QUERY = ["/v1/limits/k", "/v1/reservations/" + "0" * 32,
            "/v1/doctor", "/v1/health", "/v1/openapi.json", "/metrics", "/livez", "/readyz"]
PATH_KEYS = ["/v1/limits/", "/v1/history/"]

UNITS = argument_numbers(1, MOST_UNITS, f"must be an integer from 1 to {MOST_UNITS}")
REQUEST_IDS = cases(("must be 1 to 64 visible ASCII characters",), ["", " ", "a b", "\u00e9", "x" * 65, "x" * 5000])
ADD = ["limit", "add", "k"]
TIMEZONES = ["", " ", "Nowhere/Land", "../../etc/passwd", "/etc/localtime", "utc", "Europe", "x" * 5000,
             "Europe/K\u00f6ln"]
# (arguments in front, the argument's name in the sentence, its wrong values, how one is given).
ARGUMENTS = [
    ([*ADD, "--per=1s"], "rate", UNITS, "--rate={}"),
    ([*ADD, "--rate=5", "--per=1s"], "burst", UNITS, "--burst={}"),
    ([*ADD, "--rate=5"], "per", argument_period("per"), "--per={}"),
    ([*ADD, "--rate=5", "--per=1s"], "algorithm",
     argument_choice("token_bucket, sliding_window_log, fixed_window_counter,"),
     "--algorithm={}"),
    ([*ADD, "5/s"], "mode", argument_choice("enforce, shadow or block"), "--mode={}"),
    ([*ADD, "--rate=5"], "align", argument_choice("must be day, week, month or year"), "--align={}"),
    ([*ADD, "--rate=5", "--align=day"], "timezone", cases(("timezone must",), TIMEZONES), "--timezone={}"),
    (ADD, "limit", argument_rate_string(), "--limit={}"),
    ([*ADD, "--"], "limit", argument_rate_string(), "{}"),
    (["limit", "check", "k"], "cost", UNITS, "--cost={}"),
    (["limit", "check", "k"], "request_id", REQUEST_IDS, "--request-id={}"),
    (["limit", "check-all", "k"], "request_id", REQUEST_IDS,
     "--request-id={}"),
    (["limit", "charge", "k"], "cost", UNITS, "--cost={}"),
    (["limit", "charge", "k", "--cost=1"], "request_id", REQUEST_IDS, "--request-id={}"),
    (["limit", "charge", "--cost=1", "--"], "key", argument_key(), "{}"),
    (["limit", "reserve", "k"], "ttl", argument_period("ttl"), "--ttl={}"),
    (["limit", "reserve", "k", "--ttl=1m"], "on_expiry", argument_choice("must be keep or return"), "--on-expiry={}"),
    (["limit", "reserve", "k", "--ttl=1m"], "request_id", REQUEST_IDS, "--request-id={}"),
    (["limit", "reserve", "--ttl=1m", "a", "--"], "items[1].key", argument_key(), "{}"),
    (["limit", "renew", "0" * 32], "ttl", argument_period("ttl"), "--ttl={}"),
    *[(["limit", verb, "--"], "reservation", argument_reservation(), "{}")
      for verb in ("commit", "cancel", "reservation")],
    # The command asks for page after page, so that its own --limit has no upper bound.
    (["limit", "list"], "limit", cases(("whole number in decimal digits",), NOT_NUMBERS), "--limit={}"),
    (["limit", "history", "k"], "limit", argument_numbers(1, 10_000, "must be an integer from 1 to 10000"),
     "--limit={}"),
    (["limit", "top"], "limit", argument_numbers(1, 10_000, "must be an integer from 1 to 10000"), "--limit={}"),
    (["limit", "top"], "by", argument_choice("must be denied or allowed"), "--by={}"),
    (["limit", "add", "--rate=5", "--per=1s", "--"], "key", argument_key(), "{}"),
    *[(["limit", verb, "--"], "key", argument_key(), "{}") for verb in ("check", "status", "reset", "history")],
    (["limit", "check-all", "a", "--"], "items[1].key", argument_key(), "{}"),
    (["limit", "check-batch", "a"], "limit", argument_rate_string(), "--limit={}"),
    (["limit", "list"], "--timeout", cases((), ["", " ", "0", "0s", "-1s", "1.5s", "soon", "1w"]), "--timeout={}"),
    (["limit", "list"], "--lock-timeout", cases((), ["", " ", "-1s", "1.5s", "soon", "1w", "2d"]), "--lock-timeout={}"),
    (["server", "start"], "--flush-every-ms", server_numbers(1, 60_000), "--flush-every-ms={}"),
    (["server", "start"], "--flush-every-events", server_numbers(1, 10**6),
     "--flush-every-events={}"),
    (["server", "start"], "--max-unsynced-ms", server_numbers(1, 3_600_000), "--max-unsynced-ms={}"),
    (["server", "start"], "--max-blocking", server_numbers(1, 10**6), "--max-blocking={}"),
    (["server", "start"], "--metrics-top-denied", server_numbers(0, 100), "--metrics-top-denied={}"),
    (["server", "start"], "--threads", server_numbers(0, 256), "--threads={}"),
    (["server", "start"], "--carried-limits", argument_choice("on or off"), "--carried-limits={}"),
    (["server", "start"], "--sync", argument_choice("always or batch"), "--sync={}"),
    (["server", "start"], "--log-level", argument_choice("debug, info, warning or error"), "--log-level={}"),
    (["server", "start"], "--log-format", argument_choice("auto, text or json"), "--log-format={}"),
    (["server", "start"], "--exit-when-idle",
     cases(("must be a duration",), ["0", "99ms", "367d", "-1s", "1.5s", "soon"]), "--exit-when-idle={}"),
    (["server", "start"], "address to bind", argument_choice("ADDRESS:PORT"), "--bind={}"),
]


def body_of(fields):
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields) + b"}"


class InputTest(FlintTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        server = Server(self.data_dir, "--sync", "batch")
        server.__enter__()
        self.addCleanup(server.__exit__)
        self.client = Client(server.bind)
        self.addCleanup(self.client.forget)
        for key in ("k", "a"):
            body = {"key": key, "rate": MOST_UNITS, "per": "1d"}
            self.assertEqual(self.client.call("POST", "/v1/limits", body).status, 200)
        self.before = self.state()
        self.count = 0

    def tearDown(self):
        self.assertEqual(self.state(), self.before)
        print(f"({self.count} cases)", end=" ")

    def status(self):
        return comparable(self.client.call("GET", "/v1/limits/k").json())

    def state(self):
        events = [self.client.call("GET", f"/v1/history/{key}").json() for key in ("a", "k")]
        return comparable(self.client.call("GET", "/v1/limits").json()), events

    def refused(self, case, where, method, target, body=None, status=400, names=()):
        self.count += 1
        with self.subTest(where=where, case=case.name):
            answer = self.client.call(method, target, body)
            self.assertEqual(answer.status, status, answer.body)
            refusal = answer.json()
            self.assertEqual(sorted(refusal), ["code", "error"])
            self.assertEqual(refusal["code"], case.code)
            for word in (*names, *case.says):
                self.assertIn(word, refusal["error"])
            self.assertRegex(refusal["error"], r"\A[ -~]+\.\Z")
            self.assertLess(len(refusal["error"]), 300)
            self.assertEqual(self.status(), self.before[0][1])


class BodyTest(InputTest):
    def test_fields(self):
        for target, fields in BODY_FIELDS.items():
            right = [(name, value) for name, (value, _) in fields.items()]
            for name, (value, kind) in fields.items():
                without = [pair for pair in right if pair[0] != name]
                if name not in OPTIONAL and (target, name) != ("/v1/check", "cost"):
                    self.refused(Case("missing", None, ("is missing",)), name, "POST", target, body_of(without),
                                 names=[name])
                self.refused(Case("repeated", None, ("appears more than once",)), name, "POST", target,
                             body_of([*right, (name, value)]), names=[name])
                for case in JSON_KINDS.get(kind, []):
                    self.refused(case, name, "POST", target, body_of([*without, (name, case.value)]), names=[name])
            self.refused(Case("unknown", None, ("colour is not a field",)), target, "POST", target,
                         body_of([*right, ("colour", b"1")]))

    def test_fields_of_one_of_many_limits(self):
        fields = BODY_FIELDS["/v1/limits"]
        right = [(name, value) for name, (value, _) in fields.items()]

        def body(limit):
            return b'{"limits":[{"key":"new","limit":"1/s"},' + limit + b"]}"

        for name, (value, kind) in fields.items():
            without = [pair for pair in right if pair[0] != name]
            where = f"limits[1].{name}"
            for case in JSON_KINDS[kind]:
                names = [where] if case.code == "invalid_argument" else []
                self.refused(case, where, "POST", "/v1/apply", body(body_of([*without, (name, case.value)])),
                             names=names)
        self.refused(Case("unknown", None, ("limits[1].colour is not a field",)), "limits[1]", "POST", "/v1/apply",
                     body(body_of([*right, ("colour", b"1")])))
        self.refused(Case("twice", None, ("limits[1].key", "limits[0]")), "limits[1]", "POST", "/v1/apply",
                     body(b'{"key":"new","limit":"2/s"}'))
        self.refused(Case("override", None, ("limits[1].override is for patterns",)), "limits[1]", "POST",
                     "/v1/apply", body(b'{"key":"k2","limit":"2/s","override":true}'))
        self.refused(Case("star", None, ("limits[1]", "is not its last character")), "limits[1]", "POST",
                     "/v1/apply", body(b'{"key":"a*b","limit":"2/s"}'))
        for kind in (b"5", b"null", b'"k"', b"[]", b"true"):
            self.refused(Case(repr(kind), None, ("limits[1] must be an object",)), "limits[1]", "POST", "/v1/apply",
                         body(kind))
        for kind in (b"5", b"null", b'"k"', b"{}", b"true"):
            self.refused(Case(repr(kind), None, ("limits must be an array",)), "limits", "POST", "/v1/apply",
                         b'{"limits":' + kind + b"}")
        self.refused(Case("missing", None, ("limits is missing",)), "limits", "POST", "/v1/apply", b"{}")
        for flag in ("prune", "dry_run"):
            for kind in (b"1", b"null", b'"yes"'):
                self.refused(Case(repr(kind), None, (f"{flag} must be true or false",)), flag, "POST", "/v1/apply",
                             body_of([("limits", b"[]"), (flag, kind)]))
        many = b",".join(b'{"key":"n%d","limit":"1/s"}' % number for number in range(10_001))
        self.refused(Case("too many", None, ("limits must be at most 10000, not 10001",)), "limits", "POST",
                     "/v1/apply", b'{"limits":[' + many + b"]}")

    def test_the_two_forms_of_a_limit(self):
        others = [("windows", b'[{"rate":7,"per":"1s"}]'), ("rate", b"7"), ("per", b'"1s"'),
                  ("algorithm", b'"token_bucket"'), ("burst", b"9")]
        key, limit = ("key", b'"k"'), ("limit", b'"7/s"')
        for case in JSON_KINDS["rate string"]:
            self.refused(case, "limit", "POST", "/v1/limits", body_of([key, ("limit", case.value)]), names=["limit"])
        for name, value in others:
            for pairs in ([key, limit, (name, value)], [(name, value), limit, key]):
                self.refused(Case(f"with {name}", None, ("limit takes the place of", f"leave out {name}, or limit")),
                             "limit", "POST", "/v1/limits", body_of(pairs))
        self.refused(Case("with all", None, ("leave out windows, rate, per, algorithm, burst, or limit",)), "limit",
                     "POST", "/v1/limits", body_of([key, *others, limit]))
        self.refused(Case("neither", None, ("limit is missing", "rate and per")), "limit", "POST", "/v1/limits",
                     body_of([key]))
        self.refused(Case("twice", None, ("limit appears more than once",)), "limit", "POST", "/v1/limits",
                     body_of([key, limit, limit]))

    def test_windows(self):
        def body(windows, carried):
            limit = b'"windows":' + windows
            return b'{"key":"k","limit":{' + limit + b"}}" if carried else b'{"key":"k",' + limit + b"}"

        right = b'{"rate":7,"per":"1s"}'
        for target, carried, path in (("/v1/limits", False, "windows"), ("/v1/check", True, "limit.windows")):
            for value in (b"[]", b"null", b"{}", b'"7/s"', b"1", b"[" + b",".join([right] * 9) + b"]"):
                says = (f"{path} must be an array of 1 to 8 objects with rate and per",)
                self.refused(Case(value.decode(), None, says), path, "POST", target, body(value, carried))
            for field, kind in {"rate": "units", "per": "period", "burst": "units", "algorithm": "algorithm"}.items():
                without = [pair for pair in (("rate", b"7"), ("per", b'"1s"')) if pair[0] != field]
                for case in JSON_KINDS[kind]:
                    wrong = b"[" + right + b"," + body_of([*without, (field, case.value)]) + b"]"
                    self.refused(case, field, "POST", target, body(wrong, carried))
            for one, says in ((b"1", "must be an object"), (b"[]", "must be an object"), (b"{}", "rate is missing"),
                              (b'{"rate":7}', "per is missing"), (b'{"rate":7,"per":"1s","x":1}', "x is not a field"),
                              (b'{"rate":7,"rate":7,"per":"1s"}', "rate appears more than once"),
                              (b'{"windows":[]}', "windows is not a field")):
                self.refused(Case(one.decode(), None, (f"{path}[1]", says)), path, "POST", target,
                             body(b"[" + right + b"," + one + b"]", carried))
            self.refused(Case("twice", None, ("must not have two windows of 1s",)), path, "POST", target,
                         body(b"[" + right + b',{"rate":9,"per":1}]', carried))
            burst = b'{"rate":9,"per":2,"burst":9,"algorithm":"sliding_window_log"}'
            self.refused(Case("a burst", None, ("windows[1].burst is for token_bucket only",)), path, "POST", target,
                         body(b"[" + right + b"," + burst + b"]", carried))
        for name, value in (("rate", b"7"), ("per", b'"1s"'), ("burst", b"9")):
            both = body_of([("key", b'"k"'), ("windows", b"[" + right + b"]"), (name, value)])
            self.refused(Case(name, None, ("windows takes the place of", f"leave out {name}, or windows")), "windows",
                         "POST", "/v1/limits", both)

    def test_calendar(self):
        def body(fields, carried):
            return b'{"key":"k","limit":' + body_of(fields) + b"}" if carried else body_of([("key", b'"k"'), *fields])

        rate, day = ("rate", b"7"), ("align", b'"day"')
        for target, carried, path in (("/v1/limits", False, ""), ("/v1/check", True, "limit.")):
            for value in (b'"hour"', b'""', b'"Day"', b'"days"', b'"none"', b'"day\\u0000"'):
                self.refused(Case(value.decode(), None, (f"{path}align must be day, week, month or year",)), "align",
                             "POST", target, body([rate, ("align", value)], carried))
            for value in (b"1", b"null", b"[]", b"true"):
                self.refused(Case(value.decode(), None, (f"{path}align must be a string",)), "align", "POST", target,
                             body([rate, ("align", value)], carried))
            for zone in TIMEZONES:
                value = b'"' + zone.encode() + b'"'
                self.refused(Case(zone[:40], None, ("timezone must",)), "timezone", "POST", target,
                             body([rate, day, ("timezone", value)], carried))
            for name, fields, says in (
                    ("per", [rate, day, ("per", b'"1d"')], "per must be left out with align"),
                    ("burst", [rate, day, ("burst", b"9")], "burst is for token_bucket only"),
                    ("algorithm", [rate, day, ("algorithm", b'"token_bucket"')],
                     "align is for fixed_window_counter only, not for token_bucket"),
                    ("timezone", [rate, ("per", b'"1d"'), ("timezone", b'"UTC"')], "timezone is for a limit with"),
                    ("rate", [day], "is missing")):
                self.refused(Case(name, None, (says,)), name, "POST", target, body(fields, carried))
        for text in ("7/calendar", "7/calendar hour", "7/calendar day in Nowhere/Land", "7/calendar day in",
                     "7/calendar day burst 9", "7/calendar day, 8/calendar day in Europe/Berlin", "7/2 calendar day"):
            self.refused(Case(text, None, ("limit ",)), "limit", "POST", "/v1/limits",
                         body_of([("key", b'"k"'), ("limit", b'"' + text.encode() + b'"')]))

    def test_items(self):
        for path, kind, form in ITEM_FORMS:
            for case in JSON_KINDS[kind]:
                items = b'"items":["a",' + form % case.value + b"]"
                self.refused(case, path, "POST", "/v1/check-all", b"{" + items + b"}", names=[path])
                self.refused(case, path, "POST", "/v1/reserve", b"{" + items + b',"ttl":1}', names=[path])
        for case in JSON_KINDS["key"]:
            if b"{" in case.value or b"[" in case.value:
                continue
            says = ("items[1] must be an object, a key or an array",) if case.value[:1] != b'"' else case.says
            self.refused(Case(case.name, None, says, case.code), "items[1]", "POST", "/v1/check-all",
                         b'{"items":["a",' + case.value + b"]}", names=["items[1]"])
        for name, items, says in (
                ("empty", b"[]", "items must contain 1 to 128 keys"),
                ("too many", b"[" + b",".join([b'"k"'] * 129) + b"]", "items must contain 1 to 128 keys"),
                ("twice", b'["k","a","k"]', "more than once"), ("empty item", b'["a",[]]', "items[1]"),
                ("long item", b'["a",["k",1,2]]', "items[1]"),
                ("item without key", b'["a",{"cost":1}]', "items[1].key"),
                ("item with an unknown field", b'["a",{"key":"k","x":1}]', "items[1].x is not a field"),
                ("item with a repeated field", b'["a",{"key":"k","key":"k"}]', "items[1].key appears more than once"),
                *[(f"{kind} for the items", value, "items must be an array")
                  for kind, value in (("null", b"null"), ("text", b'"k"'), ("number", b"1"), ("object", b"{}"))]):
            self.refused(Case(name, None, (says,)), "items", "POST", "/v1/check-all", b'{"items":' + items + b"}")
            self.refused(Case(name, None, (says,)), "items", "POST", "/v1/reserve",
                         b'{"ttl":1,"items":' + items + b"}")
        self.refused(Case("repeated", None, ("items appears more than once",)), "items", "POST", "/v1/check-all",
                     b'{"items":["k"],"items":["k"]}')

    def test_a_request_id_is_not_for_dry_runs(self):
        for target, first in (("/v1/check", b'"key":"k"'), ("/v1/check-all", b'"items":["k"]')):
            self.refused(Case("with dry_run", None, ("request_id cannot come with dry_run",)), "request_id", "POST",
                         target, b"{" + first + b',"dry_run":true,"request_id":"id"}')
            for case in JSON_KINDS["request id"]:
                self.refused(case, "request_id", "POST", target, b"{" + first + b',"request_id":' + case.value + b"}",
                             names=["request_id"])

    def test_checks(self):
        """A check that is wrong has the error of /v1/check, with its path, as its result; the others are decided."""
        for path, kind, form in (("checks[1].key", "key", b'{"key":%s,"cost":1}'),
                                 ("checks[1].cost", "units", b'{"key":"k","cost":%s}')):
            for case in JSON_KINDS[kind]:
                body = b'{"checks":[{"key":"a","dry_run":true},' + form % case.value + b"]}"
                if case.code == "invalid_json":
                    self.refused(case, path, "POST", "/v1/check-batch", body, names=[path])
                else:
                    self.fails_alone(case, path, body)
        for name, check, says in (
                ("not an object", b'"k"', "checks[1] must be an object"), ("without key", b"{}", "checks[1].key"),
                ("unknown field", b'{"key":"k","x":1}', "checks[1].x is not a field"),
                ("repeated field", b'{"key":"k","key":"k"}', "checks[1].key appears more than once"),
                ("flag", b'{"key":"k","dry_run":1}', "checks[1].dry_run must be true or false"),
                ("limit", b'{"key":"k","limit":5}', "checks[1].limit must be a text"),
                ("mode", b'{"key":"k","limit":{"rate":1,"per":1,"mode":"block"}}',
                 "checks[1].limit.mode cannot come with a check")):
            body = b'{"checks":[{"key":"a","dry_run":true},' + check + b"]}"
            self.fails_alone(Case(name, None, (says,)), "checks[1]", body)
        for name, checks, says in (
                ("too many", b"[" + b",".join([b'{"key":"k"}'] * 1001) + b"]", "checks must contain at most 1000"),
                *[(f"{kind} for the checks", value, "checks must be an array")
                  for kind, value in (("null", b"null"), ("text", b'"k"'), ("number", b"1"), ("object", b"{}"))]):
            self.refused(Case(name, None, (says,)), "checks", "POST", "/v1/check-batch", b'{"checks":' + checks + b"}")

    def fails_alone(self, case, where, body):
        self.count += 1
        with self.subTest(where=where, case=case.name):
            answer = self.client.call("POST", "/v1/check-batch", body)
            self.assertEqual(answer.status, 200, answer.body)
            first, second = answer.json()["results"]
            self.assertTrue(first["allowed"])
            self.assertEqual(sorted(second), ["code", "error"])
            self.assertEqual(second["code"], case.code)
            for word in (where.split("[", maxsplit=1)[0], *case.says):
                self.assertIn(word, second["error"])
            self.assertRegex(second["error"], r"\A[ -~]+\.\Z")

    def test_bodies(self):
        for target in [*BODY_FIELDS, "/v1/check-all", "/v1/check-batch", *NO_BODY]:
            for case in BODIES:
                if target in NO_BODY and case.name == "empty":
                    continue
                self.refused(case, target, "POST", target, case.value)


class TargetTest(InputTest):
    def test_queries(self):
        for target, fields in QUERY_FIELDS.items():
            for name, values in fields.items():
                for case in values:
                    self.refused(case, name, "GET", f"{target}?{name}={case.value}", names=[name])
                    if name != "limit":
                        self.refused(case, name, "GET", f"{target}?limit=1&{name}={case.value}", names=[name])
                if name in ("limit", "by"):
                    for case in query_text():
                        self.refused(case, name, "GET", f"{target}?{name}={case.value}", names=[name])
                right = {"by": "denied", "limit": "1"}.get(name, "k")
                self.refused(Case("repeated", None, ("appears more than once",)), name, "GET",
                             f"{target}?{name}={right}&{name}={right}", names=[name])
                self.refused(Case("without =", None, ("has no value",)), name, "GET", f"{target}?{name}", names=[name])

    def test_arguments_that_are_not_taken(self):
        posts = [("POST", target) for target in [*BODY_FIELDS, "/v1/check-all", "/v1/check-batch", *NO_BODY]]
        for method, target in [("GET", target) for target in [*QUERY_FIELDS, *NO_QUERY]] + posts:
            body = None
            if target in BODY_FIELDS:
                body = body_of((name, value) for name, (value, _) in BODY_FIELDS[target].items())
            elif target == "/v1/check-all":
                body = b'{"items":["k"]}'
            elif target == "/v1/check-batch":
                body = b'{"checks":[{"key":"k"}]}'
            for argument in ("colour=red", "colour", "=", "&x", "%6Ckey=k", "cost=2", "Limit=1", "x" * 300 + "=1"):
                self.refused(Case(argument[:20], None, ("is not an argument of this request",)), target, method,
                             f"{target}?{argument}", body)

    def test_paths_of_reservations(self):
        for case in path_reservation():
            self.refused(case, "id", "GET", "/v1/reservations/" + case.value)

    def test_paths(self):
        for path in PATH_KEYS:
            for case in path_key():
                self.refused(case, path, "GET", path + case.value)


class CommandTest(InputTest):
    def setUp(self):
        super().setUp()
        self.files = sorted(path.name for path in self.folder.iterdir())

    def test_arguments(self):
        runs = []
        for front, name, values, form in ARGUMENTS:
            place = ["--data-dir", self.folder / "other"] if front[0] == "server" else ["--data-dir", self.data_dir]
            for case in values:
                runs.append((name, case, [*place, *front, form.format(case.value)]))
            if form.startswith("--"):
                option = form.split("=")[0]
                right = [form.format(self.RIGHT.get(name, "5"))]
                runs += [(option, Case("twice", None, ("twice",)), [*place, *front, *right, *right]),
                         (option, Case("no value", None, ()), [*place, *front, option])]
                for text in INVALID_UTF8[:2]:
                    runs.append(("Argument", Case(repr(text), None, ("UTF-8",)),
                                 [*place, *front, option.encode() + b"=" + text]))
        with ThreadPoolExecutor(4) as pool:
            for (name, case, arguments), outcome in zip(runs, pool.map(lambda run: flint(*run[2]), runs)):
                self.count += 1
                with self.subTest(arguments=[str(argument)[:60] for argument in arguments[2:]], case=case.name):
                    self.assertEqual(outcome.code, USAGE, outcome.out + outcome.err)
                    self.assertEqual(outcome.out, "")
                    self.assertRegex(outcome.err, r"\Aflint: .+\n\Z")
                    for word in (name, *case.says):
                        self.assertIn(word, outcome.err)
                    self.assertLess(len(outcome.err), 400)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), self.files)

    RIGHT = {"per": "1s", "ttl": "1m", "on_expiry": "keep", "algorithm": "token_bucket", "mode": "block",
             "by": "denied", "--sync": "batch",
             "--log-level": "info", "--log-format": "text", "--bind": "127.0.0.1:1", "--timeout": "1s",
             "--lock-timeout": "1s", "--exit-when-idle": "1s"}


if __name__ == "__main__":
    unittest.main(verbosity=2)

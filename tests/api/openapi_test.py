"""docs/openapi.yaml against a live server: every route, every status and every answer, both ways round."""

import http.client
import re
import resource
import time
import unittest
from functools import partial

import jsonschema

from api_server import TOKEN, Client, Connection, request_bytes
from harness import FlintTest, Server
from openapi_document import ROOT, Document, closed, faults, problems
from openapi_json import RESULT, converted

DOCUMENT = Document()
# What is answered where there is no operation.
ERROR = {"content": {"application/json": {"schema": DOCUMENT.resolved["components"]["schemas"]["Error"]}}}
MANY = [f"k{number}" for number in range(127)] + ["k0-old"]
MOST_CONNECTIONS = 1024
MOST_BODY = {"/v1/apply": 2 * 1024 * 1024, "/v1/check-batch": 1024 * 1024}

GATES = """
[[gates]]
name = "site"
key = "k0"
[[gates]]
name = "spent"
key = "spent"
limit = "1/d"
[[gates]]
name = "bare"
key = "nobody"
"""

SPENT = ("/v1/gate?key=spent&limit=1/d", "/v1/gate/spent")

# A request that each operation answers with 200, a gate with 204. ReservingClient puts real ids in the place of these.
GOOD = {
    "check": ("POST", "/v1/check", {"key": "k0"}),
    "checkAll": ("POST", "/v1/check-all", {"items": ["k0", ["k1", 2], {"key": "k2", "cost": 3}]}),
    "checkBatch": ("POST", "/v1/check-batch", {"checks": [{"key": "k0"}, {"key": "k1", "cost": 2}]}),
    "charge": ("POST", "/v1/charge", {"key": "k0", "cost": 3}),
    "reserve": ("POST", "/v1/reserve", {"items": ["k0", ["k1", 2]], "ttl": "1h", "on_expiry": "return"}),
    "commit": ("POST", "/v1/commit", {"reservation": "0" * 31 + "1", "costs": {"k0": 5}}),
    "cancel": ("POST", "/v1/cancel", {"reservation": "0" * 31 + "2"}),
    "renew": ("POST", "/v1/renew", {"reservation": "0" * 31 + "3", "ttl": 3600}),
    "getReservation": ("GET", f"/v1/reservations/{'0' * 31}3", None),
    "gate": ("GET", "/v1/gate?key=k0&key=k1&limit=5/s", None),
    "namedGate": ("GET", "/v1/gate/site/any?thing", None),
    "setLimit": ("POST", "/v1/limits", {"key": "k3", "limit": "9/s burst 12"}),
    "applyLimits": ("POST", "/v1/apply", {"limits": [{"key": "k3", "limit": "8/m"}, {"key": "k5", "limit": "5/s"}]}),
    "listLimits": ("GET", "/v1/limits?prefix=k&limit=300&after=k100", None),
    "getLimit": ("GET", "/v1/limits/k0", None),
    "deleteLimit": ("DELETE", "/v1/limits/k0-old", None),
    "deleteLimits": ("DELETE", "/v1/limits?prefix=k9", None),
    "reset": ("POST", "/v1/reset", {"key": "k4"}),
    "resetPrefix": ("POST", "/v1/reset-prefix", {"prefix": "k6"}),
    "history": ("GET", "/v1/history/k0?limit=10", None),
    "top": ("GET", "/v1/top?by=allowed&limit=5", None),
    "flush": ("POST", "/v1/log/flush", None),
    "compact": ("POST", "/v1/log/compact", {}),
    "doctor": ("GET", "/v1/doctor", None),
    "health": ("GET", "/v1/health", None),
    "openapi": ("GET", "/v1/openapi.json", None),
    "metrics": ("GET", "/metrics", None),
    "live": ("GET", "/livez", None),
    "ready": ("GET", "/readyz", None),
}


def with_query(target, argument):
    return target + ("&" if "?" in target else "?") + argument


def of_nobody(method, target, body):
    if "/v1/reservations/" in target:
        return method, "/v1/reservations/" + "9" * 32, None
    if body and "reservation" in body:
        return method, target, {**body, "reservation": "9" * 32}
    if body is None:
        return method, re.sub(r"k0", "nobody", target), None
    return method, target, {**body, "items": ["k0", "nobody"]} if "items" in body else {**body, "key": "nobody"}


def conflicting(method, target, body):
    """The same with a request id that is taken, or of a limit that comes from the limits file."""
    if target.startswith(("/v1/check", "/v1/charge", "/v1/reserve")):
        return method, target, {**body, "request_id": "used"}
    if body is None:
        return method, target.replace("k0-old", "fixed"), None
    if "limits" in body:
        return method, target, {"limits": [{"key": "fixed", "limit": "2/s"}]}
    return method, target, {**body, "key": "fixed"}


def changed(good, *fields, query=None, body=b"{}", **options):
    method, target, _ = good
    return request_bytes(method, with_query(target, query) if query else target, body, *fields, **options)


# What makes any operation answer with a status, from its good request.
PROVOKED = {
    200: [lambda good: request_bytes(*good)],
    400: [lambda good: changed(good, query="colour=red", body=good[2]),
          partial(changed, body=b"{\"key\":"),
          lambda good: changed(good, "Content-Length: 2")],
    403: [lambda good: changed(good, "Origin: http://example.org", body=None)],
    404: [lambda good: request_bytes(*of_nobody(*good))],
    409: [lambda good: request_bytes(*conflicting(*good))],
    411: [lambda good: changed(good, body=None)],
    413: [lambda good: changed(good, length=MOST_BODY.get(good[1], 256 * 1024) + 1)],
    414: [partial(changed, query="x" * 8192, body=None)],
    415: [lambda good: changed(good, "Content-Type: text/plain", "Content-Length: 2", body=None) + b"hi"],
    417: [lambda good: changed(good, "Expect: the-unexpected")],
    421: [partial(changed, host="example.org", body=None)],
    431: [lambda good: changed(good, *["A: b"] * 65, body=None), lambda good: changed(good, "A: " + "b" * 16384)],
    501: [lambda good: changed(good, "Transfer-Encoding: gzip", body=None),
          lambda good: request_bytes("BREW", good[1])],
    505: [partial(changed, version="HTTP/2.0", body=None)],
}


class ReservingClient(Client):
    """Has a reservation of its own for each id that GOOD has."""

    def __init__(self, address):
        super().__init__(address)
        self.ids = {}

    def reserve(self):
        for number in (1, 2, 3):
            answer = self.call("POST", "/v1/reserve", {"items": ["k0"], "ttl": "1h"})
            self.ids[f"{number:032}".encode()] = answer.json()["reservation"].encode()

    def send(self, request, method="GET"):
        for stand_in, real in self.ids.items():
            request = request.replace(stand_in, real)
        return super().send(request, method)


# Gates take no body and, if they are named, no arguments.
PROVOKED_OF_GATES = {
    **{status: PROVOKED[status] for status in (403, 414, 421, 431, 501, 505)},
    204: PROVOKED[200],
    400: [lambda good: changed(good, "Host: localhost", body=None)],
    404: [lambda good: request_bytes("GET", "/v1/gate?key=nobody" if "?key" in good[1] else "/v1/gate/bare")],
    413: [changed, lambda good: changed(good, "Transfer-Encoding: chunked", body=None)],
    429: [lambda good: request_bytes("PUT", SPENT[0] if "?key" in good[1] else SPENT[1])],
}


def provoked(operation):
    return PROVOKED_OF_GATES if operation.takes_any_method else PROVOKED


class DocumentTest(unittest.TestCase):
    def test_what_the_server_answers_with_is_made_from_it(self):
        self.assertEqual(RESULT.read_text(encoding="utf-8"), converted(), "run src/api/openapi_json.py")

    def test_its_schemas_are_schemas(self):
        for name, schema in DOCUMENT.resolved["components"]["schemas"].items():
            with self.subTest(schema=name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_its_examples_are_what_they_are_examples_of(self):
        count = 0
        for content in self.contents(DOCUMENT.resolved):
            for media in content.values():
                for name, example in media.get("examples", {}).items():
                    with self.subTest(example=name, value=example["value"]):
                        self.assertEqual(problems(closed(media["schema"]), example["value"]), [])
                    count += 1
        for operation in DOCUMENT.operations:
            for parameter in operation.parameters:
                self.assertEqual(problems(parameter["schema"], parameter["example"]), [], operation.id)
        self.assertGreater(count, 20)

    def contents(self, node):
        if isinstance(node, list):
            for element in node:
                yield from self.contents(element)
        elif isinstance(node, dict):
            for name, member in node.items():
                if name == "content":
                    yield member
                else:
                    yield from self.contents(member)

    def test_each_operation_says_what_it_is(self):
        self.assertEqual(set(GOOD), {operation.id for operation in DOCUMENT.operations})
        self.assertEqual(len(GOOD), len(DOCUMENT.operations))
        for operation in DOCUMENT.operations:
            in_path = set(re.findall(r"\{(\w+)\}", operation.path))
            declared = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
            self.assertEqual(in_path, declared, operation.id)

    def test_its_paths_are_those_of_the_router(self):
        rows = re.findall(r'\{"\w+", "([^"]+)", Method::k(Get|Post|Delete)',
                          (ROOT / "src/api/operations.cc").read_text())
        routed = {(method.upper(), path) for path, method in rows}
        self.assertGreater(len(routed), 10)
        monitor = (ROOT / "src/http/monitor.cc").read_text()
        words = re.findall(r'constexpr std::string_view k\w+Path = "([^"]+)"', monitor)
        routed |= {("GET", path) for path in [*words, "/v1/events", "/v1/gate", "/v1/gate/{name}"]}
        self.assertEqual(routed, {(operation.method, operation.path)
                                  for operation in DOCUMENT.operations + DOCUMENT.streams})

    def test_its_codes_are_those_of_the_sources(self):
        sources = [path for layer in ("api", "http", "server") for path in (ROOT / "src" / layer).glob("*.cc")
                   if not path.name.endswith("_test.cc")]
        given = {code for path in sources
                 for code in re.findall(r'\b[45]\d\d, "([a-z_]+)",', path.read_text())}
        named = set(re.findall(r'return "([a-z_]+)"', (ROOT / "src/base/status.cc").read_text())) - {"ok"}
        documented = DOCUMENT.resolved["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
        self.assertEqual(sorted(documented), sorted(given | named))

    # Some codes were nowhere in the prose.
    def test_its_codes_are_in_http_api_md_with_their_status(self):
        table = (ROOT / "docs/http_api.md").read_text().split("| status | code | when |")[1].split("\n\n")[0]
        rows = re.findall(r"^\| (\d+) \| (.+?) \|", table, re.MULTILINE)
        listed = [(code, status) for status, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)]
        documented = DOCUMENT.resolved["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
        self.assertEqual(sorted(code for code, _ in listed), sorted(documented))
        sources = "".join(path.read_text() for layer in ("api", "http", "server")
                          for path in (ROOT / "src" / layer).glob("*.cc"))
        for status, code in re.findall(r'\b([45]\d\d), "([a-z_]+)",', sources):
            self.assertIn((code, status), listed)


    # oapi-codegen could not load it, openapi-typescript made `cost` and `algorithm` required, and a linter had 17
    # warnings. These are the rules that they follow from.
    def test_generators_of_clients_can_work_with_it(self):
        for place, schema in self.schemas(DOCUMENT.source, "#"):
            with self.subTest(place=place):
                self.assertIsInstance(schema, dict, "a boolean is not a schema to generators for OpenAPI 3.0")
                self.assertEqual(set(schema) & {"if", "then", "else", "not", "dependentSchemas"}, set(),
                                 "a condition has no counterpart in the types of a language")
                if schema.get("type") == "array":
                    self.assertIn("items", schema)
                if schema.get("type") in ("integer", ["integer", "null"]) and "const" not in schema:
                    small = schema.get("maximum", 2**63) < 2**31
                    self.assertTrue(small or schema.get("format") == "int64", "some take 32 bits unless told")
                for word in schema.get("enum", []):
                    self.assertRegex(word, r"\A[ -~]+\Z", "a word of an enum becomes a name or a comment")
                for name, member in schema.get("properties", {}).items():
                    self.assertNotIn("default", member, f"some make {name} required for it")
                self.assertLessEqual(set(schema.get("required", [])), set(schema.get("properties", {})))

    def schemas(self, node, place, is_schema=False):
        """Every schema in a part of the document, with its place."""
        if is_schema:
            yield place, node
        if isinstance(node, list):
            for i, element in enumerate(node):
                yield from self.schemas(element, f"{place}/{i}", place.endswith(("oneOf", "anyOf", "prefixItems")))
        elif isinstance(node, dict):
            for name, member in node.items():
                if name in ("example", "examples"):
                    continue
                named = place.endswith(("/properties", "components/schemas"))
                yield from self.schemas(member, f"{place}/{name}", named or name in ("schema", "items"))

    # `reset_at` of a status said no more than that it is a time.
    def test_what_an_answer_has_is_described_where_it_stands(self):
        says_enough = {f"#/components/schemas/{name}"
                       for name in ("Key", "Units", "Algorithm", "PeriodMillis", "BurstOrNull", "Align", "Timezone")}
        for place, schema in self.schemas(DOCUMENT.source["components"], "components"):
            answer = schema.get("additionalProperties") is not False
            for name, member in schema.get("properties", {}).items() if answer else ():
                with self.subTest(place=place, name=name):
                    self.assertTrue("description" in member or member.get("$ref") in says_enough)

    def test_each_of_its_components_is_used(self):
        text = (ROOT / "docs/openapi.yaml").read_text(encoding="utf-8")
        for kind, components in DOCUMENT.source["components"].items():
            for name in components:
                if kind != "securitySchemes":
                    self.assertIn(f"#/components/{kind}/{name}'", text)


class LiveTest(FlintTest):
    def server(self, name, *arguments, token=None):
        env = {"FLINT_SERVER_TOKEN": token} if token else None
        gates = self.folder / "gates.toml"
        gates.write_text(GATES)
        server = Server(self.folder / name, "--config", str(gates), *arguments, env=env)
        self.enterContext(server)
        return server

    def enterContext(self, context):  # unittest has it from Python 3.11 on.
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def client(self, server):
        return self.enterContext(ReservingClient(server.bind))

    def filled(self, server):
        client = self.client(server)
        for key in MANY:
            answer = client.call("POST", "/v1/limits", {"key": key, "rate": 10**9, "per": "1d"})
            self.assertEqual(answer.status, 200, answer.body)
        client.reserve()
        return client

    def described(self, operation, answer, status):
        """The answer has this status, and is as the description of the operation says."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertIn(status, operation.statuses)
        self.assertEqual(faults(operation.responses[status], answer), [])
        self.seen.add((operation.id, status))

    def setUp(self):
        super().setUp()
        self.seen = set()


class AnswersTest(LiveTest):
    def test_each_status_of_each_operation_is_answered_and_as_described(self):
        limits = self.folder / "limits.toml"
        limits.write_text('[[limits]]\nkey = "fixed"\nlimit = "1/s"\n')
        server = self.server("open", "--sync", "batch", "--limits", str(limits))
        client = self.filled(server)
        self.assertEqual(client.call("POST", "/v1/check", {"key": "k5", "request_id": "used"}).status, 200)
        self.assertEqual(client.call("GET", SPENT[0]).status, 204)
        late = self.begin_late_requests(server)
        for operation in DOCUMENT.operations:
            for status in operation.statuses & provoked(operation).keys():
                for provoke in provoked(operation)[status]:
                    with self.subTest(operation=operation.id, status=status):
                        self.described(operation, client.send(provoke(GOOD[operation.id])), status)
        self.full_disk_and_no_descriptors()
        self.no_token()
        self.failed_storage()
        self.assertTrue(any(self.not_ready() for _ in range(10)))
        self.end_late_requests(late)
        client.forget()
        self.too_many_connections(server)
        self.assertEqual(self.seen, {(operation.id, status) for operation in DOCUMENT.operations
                                     for status in operation.statuses})

    def begin_late_requests(self, server):
        late = []
        for operation in DOCUMENT.operations:
            connection = self.enterContext(Connection(server.bind))
            late_body = changed(GOOD[operation.id], body=b"", length=2)
            connection.send(request_bytes("GET", "/v1/gate")[:-2] if operation.takes_any_method else late_body)
            late.append((operation, connection))
        return late

    def end_late_requests(self, late):
        for operation, connection in late:
            with self.subTest(operation=operation.id, status=408), connection:
                self.described(operation, connection.receive(), 408)

    def full_disk_and_no_descriptors(self):
        for what, most, status in ((resource.RLIMIT_FSIZE, 1, 507), (resource.RLIMIT_NOFILE, 3, 500)):
            server = self.server(f"without-{status}", "--sync", "batch")
            client = self.filled(server)
            client.call("POST", "/v1/limits", {"key": "spent", "rate": 1, "per": "1d"})
            client.call("POST", "/v1/check", {"key": "spent"})
            resource.prlimit(server.process.pid, what, (most, resource.prlimit(server.process.pid, what)[1]))
            for target, body in (("/v1/check-all", {"items": MANY}), ("/v1/check", {"key": "k0"}),
                                 ("/v1/reset", {"key": "k0"})):
                self.write_until(client, status, target, body)
            # Denials are counted, and the count is logged with the next flush.
            client.call("POST", "/v1/check", {"key": "spent"})
            for operation in DOCUMENT.operations:
                if status in operation.statuses:
                    with self.subTest(operation=operation.id, status=status):
                        self.described(operation, client.call(*GOOD[operation.id]), status)

    def write_until(self, client, status, target, body):
        for _ in range(10_000):
            if client.call("POST", target, body).status == status:
                return
        self.fail(f"10,000 writes, and no {status}")

    def no_token(self):
        server = self.server("token", token=TOKEN)
        client = self.client(server)
        for operation in DOCUMENT.operations:
            method, target, body = GOOD[operation.id]
            if 401 not in operation.statuses:
                self.described(operation, client.call(method, target, body), 200)
                continue
            for fields in ([], ["Authorization: Bearer wrong"], ["Authorization: Basic " + TOKEN]):
                with self.subTest(operation=operation.id, fields=fields):
                    self.described(operation, client.call(method, target, body, *fields), 401)
            self.assertNotEqual(client.call(method, target, body, "Authorization: Bearer " + TOKEN).status, 401)
        for method, target in (("GET", "/v1/nothing"), ("DELETE", "/v1/limits"), ("GET", "/index.html")):
            self.assertEqual(client.call(method, target).status, 401)

    def failed_storage(self):
        server = self.server("failed")
        client = self.filled(server)
        (self.folder / "failed" / "flint.lock").unlink()
        # Only the first answer is sure to come: a server whose storage has failed ends within a second.
        operation = next(operation for operation in DOCUMENT.operations if operation.id == "check")
        answer = client.call(*GOOD["check"])
        self.described(operation, answer, 503)
        self.assertEqual(answer.json()["code"], "storage_failed")

    def not_ready(self):
        """Whether a server whose storage has failed said so before it ended, which it does within a second."""
        name = f"failed {len(list(self.folder.iterdir()))}"
        server = self.server(name)
        client, probe = self.filled(server), self.client(server)
        self.assertEqual(probe.call(*GOOD["ready"]).status, 200)
        (self.folder / name / "flint.lock").unlink()
        client.call(*GOOD["check"])
        operation = next(operation for operation in DOCUMENT.operations if operation.id == "ready")
        try:
            self.described(operation, probe.call(*GOOD["ready"]), 503)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def too_many_connections(self, server):
        """Under the usual limit of 1,024 open files the connections above it got no answer at all."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        # One that is still on its way out would leave its place to one of those that are to be refused.
        first = self.client(server)
        while b"\nflint_connections 1\n" not in first.call(*GOOD["metrics"]).body:
            time.sleep(0.01)
        for _ in range(MOST_CONNECTIONS):
            connection = self.enterContext(Connection(server.bind))
            connection.send(request_bytes(*GOOD["health"]))
            # The first one counts too, and under a low limit of open files there are fewer places.
            self.assertIn(connection.receive().status, (200, 503))
        for operation in DOCUMENT.operations:
            with self.subTest(operation=operation.id), Connection(server.bind) as connection:
                connection.send(request_bytes(*GOOD[operation.id]))
                self.described(operation, connection.receive(), 200 if operation.id in ("live", "ready") else 503)


class RouterTest(LiveTest):
    def test_other_methods_are_405_and_other_paths_404(self):
        client = self.filled(self.server("open"))
        for number, path in enumerate(DOCUMENT.paths):
            takes = DOCUMENT.methods_of(path)
            endless = {stream.method for stream in DOCUMENT.streams if stream.path == path}
            for method in ("GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "DELETE"):
                if method in endless:
                    continue
                with self.subTest(path=path, method=method):
                    target = path.replace("{name}", "site")
                    answer = client.call(method, re.sub(r"{\w+}", f"k{number}", target))
                    if method in takes:
                        self.assertNotIn(answer.status, (404, 405))
                        continue
                    self.assertEqual(answer.status, 405)
                    self.assertEqual(sorted(answer.fields["allow"].split(", ")), takes)
                    if method != "HEAD":
                        self.assertEqual(faults(ERROR, answer), [])
        for path in ("/index.html", "/v1", "/v1/", "/v1/nothing", "/v1/limits/", "/v1/limits/a/b", "/v1/check/",
                     "/v2/check", "/openapi.json", "/metrics/", "/livez/"):
            with self.subTest(path=path):
                answer = client.call("GET", path)
                self.assertEqual(answer.status, 404)
                self.assertEqual(faults(ERROR, answer), [])

    def test_an_event_has_the_limit_when_it_is_configured_and_only_then(self):
        client = self.filled(self.server("open"))
        client.call(*GOOD["check"])
        events = client.call("GET", "/v1/history/k0").json()
        self.assertEqual({event["kind"] for event in events}, {"configured", "reserved", "allowed"})
        for event in events:
            limit = {"rate", "per_millis", "burst", "algorithm", "mode"} if event["kind"] == "configured" else set()
            self.assertEqual(set(event), {"seq", "at", "kind", "cost", "count"} | limit)

    def test_it_answers_with_its_description(self):
        client = self.client(self.server("open"))
        self.assertEqual(client.call("GET", "/v1/openapi.json").body.decode(), converted().strip())


if __name__ == "__main__":
    # What servers started here inherit, however much the shell allows.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    unittest.main(verbosity=2)

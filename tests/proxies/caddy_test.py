"""Caddy with the configuration of docs/proxies.md."""

import unittest

from proxy import BROWSER, ProxyTest, block, program

CADDY = program("caddy")
AROUND = "{{\n\tadmin off\n\tauto_https off\n}}\n{}"


@unittest.skipUnless(CADDY, "Caddy is not here: ./dev test unpacks it")
class CaddyTest(ProxyTest):
    def start(self, change=lambda text: text):
        config = self.folder / "Caddyfile"
        config.write_text(AROUND.format(change(self.with_ports(block("caddy")))))
        self.start_proxy(CADDY, "run", "--adapter", "caddyfile", "--config", str(config))

    def test_requests_pass_until_the_limit_is_reached(self):
        self.start_flint()
        self.start()
        for remaining in (2, 1, 0):
            self.passes(remaining)
        self.is_denied()
        self.assertEqual(self.keys(), {"ip:127.0.0.1": 3})

    def test_each_client_has_its_own_quota_whatever_it_says_of_itself(self):
        self.start_flint()
        self.start()
        for number in range(3):
            self.passes(2 - number, fields={"X-Forwarded-For": f"192.0.2.{number}"})
        self.is_denied(fields={"X-Forwarded-For": "192.0.2.9"})
        self.passes(2, source="127.0.0.2")
        self.assertEqual(self.keys(), {"ip:127.0.0.1": 3, "ip:127.0.0.2": 1})

    def test_behind_another_proxy_the_client_is_whom_that_one_saw(self):
        hops = '[[gates]]\nname = "hops"\nkey = "ip:{client}"\nlimit = "3/h"\ntrusted_hops = 2\n'
        self.start_flint(extra=hops)
        self.start(lambda text: text.replace("method GET", "method GET\n        trusted_proxies 127.0.0.1/32", 1)
                   .replace("/site", "/hops"))
        self.passes(2, fields={"X-Forwarded-For": "6.6.6.6, 192.0.2.1"})
        self.passes(1, fields={"X-Forwarded-For": "7.7.7.7, 192.0.2.1"})
        # Who is not the other proxy says nothing of anyone else.
        self.passes(2, source="127.0.0.2", fields={"X-Forwarded-For": "192.0.2.1"})
        self.assertEqual(self.keys(), {"ip:192.0.2.1": 2, "ip:127.0.0.2": 1})

    def test_a_post_of_a_browser_passes_with_its_body(self):
        self.start_flint()
        self.start()
        self.passes(2, method="POST", path="/form?a=b", body=b"x" * 100_000, fields=BROWSER)
        method, path, fields, body = self.behind.asked[-1]
        self.assertEqual((method, path, len(body)), ("POST", "/form?a=b", 100_000))
        self.assertEqual(fields["Cookie"], BROWSER["Cookie"])
        self.passes(1, method="PUT", body=b"", fields=BROWSER)
        self.passes(0, method="DELETE")
        self.is_denied(method="POST", body=b"x" * 100_000, fields=BROWSER)

    def test_answers_of_the_program_stay_as_they_are(self):
        self.start_flint("9/h")
        self.start()
        for status in (401, 403, 404, 429, 500, 503):
            self.assertEqual(self.ask(path=f"/status/{status}")[0], status)

    def test_no_key_smuggles_anything_out_of_a_query(self):
        self.start_flint()
        self.start(lambda text: text.replace("/v1/gate/site", "/v1/gate?key=api:{header.X-Api-Key}&limit=3/h"))
        smuggled = "x&key=other&limit=1000000/s&cost=1&deny_status=599"
        for remaining in (2, 1, 0):
            self.passes(remaining, fields={"X-Api-Key": smuggled})
        self.is_denied(fields={"X-Api-Key": smuggled})
        self.passes(2, path="/?key=y&limit=9/s", fields={"X-Api-Key": "a b?c#d%26e+f"})
        self.assertEqual(self.keys(), {f"api:{smuggled}": 3, "api:a b?c#d%26e+f": 1})
        for key in ("x" * 600, "\xff\xfe", "\xc2\x85", "*"):
            with self.subTest(key=key):
                self.is_denied(with_wait=False, fields={"X-Api-Key": key})

    def test_no_key_smuggles_anything_into_a_named_gate(self):
        self.start_flint()
        self.start(lambda text: text.replace("/site", "/nginx-api"))
        smuggled = "x&key=other&limit=1000000/s&cost=1&deny_status=599"
        self.passes(2, fields={"X-Api-Key": smuggled})
        self.passes(2)
        self.assertEqual(self.keys(), {f"api:{smuggled}": 1, "api:-": 1})

    def test_without_flint_nothing_passes(self):
        self.start_flint()
        self.start()
        self.passes(2)
        self.flint.stop()
        self.assertEqual(self.ask()[0], 502)
        self.assertEqual(len(self.behind.asked), 1)
        self.start_flint()
        self.passes(1)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""nginx with the configurations of docs/proxies.md."""

import unittest

from proxy import BROWSER, ProxyTest, block, program

NGINX = program("nginx")
AROUND = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    large_client_header_buffers 4 16k;
    {}
}}
"""
# Of the configuration in the document, where the other ones of this page belong.
GATE = "    location /_gate/ {"


@unittest.skipUnless(NGINX, "nginx is not here: ./dev test unpacks it")
class NginxTest(ProxyTest):
    def start(self, change=lambda text: text):
        config = self.folder / "nginx.conf"
        config.write_text(AROUND.format(change(self.with_ports(block("nginx")))))
        self.start_proxy(NGINX, "-p", str(self.folder), "-c", str(config), "-e", "stderr")

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
        self.start_flint()
        real_ip = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;\n    "
        self.start(lambda text: text.replace("location / {", real_ip + "location / {", 1))
        self.passes(2, fields={"X-Forwarded-For": "6.6.6.6, 192.0.2.1"})
        self.passes(1, fields={"X-Forwarded-For": "7.7.7.7, 192.0.2.1"})
        self.passes(2, fields={"X-Forwarded-For": "2001:db8:1:2::1"})
        self.passes(1, fields={"X-Forwarded-For": "2001:db8:1:2::2"})
        # Who is not the other proxy says nothing of anyone else.
        self.passes(2, source="127.0.0.2", fields={"X-Forwarded-For": "192.0.2.1"})
        self.assertEqual(set(self.keys()), {"ip:192.0.2.1", "ip:2001:db8:1:2::/64", "ip:127.0.0.2"})

    def test_a_post_of_a_browser_passes_with_its_body(self):
        self.start_flint()
        self.start()
        self.passes(2, method="POST", path="/form?a=b", body=b"x" * 100_000, fields=BROWSER)
        method, path, fields, body = self.behind.asked[-1]
        self.assertEqual((method, path, len(body)), ("POST", "/form?a=b", 100_000))
        self.assertEqual(fields["Cookie"], BROWSER["Cookie"])
        self.passes(1, method="PUT", body=b"", fields={**BROWSER, "Expect": "nothing"})
        self.passes(0, method="DELETE")
        self.is_denied(method="POST", body=b"x" * 100_000, fields=BROWSER)

    def test_answers_of_the_program_stay_as_they_are(self):
        self.start_flint("9/h")
        self.start()
        for status in (401, 403, 404, 429, 500, 503):
            self.assertEqual(self.ask(path=f"/status/{status}")[0], status)
            self.assertEqual(self.behind.asked[-1][1], f"/status/{status}")

    def test_clients_cannot_ask_the_gate_themselves(self):
        self.start_flint()
        self.start()
        self.assertEqual(self.ask(path="/_gate/nginx")[0], 404)
        self.assertEqual(self.keys(), {})

    def test_no_key_smuggles_anything(self):
        self.start_flint()
        self.start()
        smuggled = "x&key=other&limit=1000000/s&cost=1&deny_status=599"
        for _ in range(3):
            self.assertEqual(self.ask(path="/api/", fields={"X-Api-Key": smuggled})[0], 200)
        self.is_denied(path="/api/", fields={"X-Api-Key": smuggled})
        self.assertEqual(self.behind.asked[-1][2].get_all("X-Api-Key"), [smuggled])
        self.passes(2, path="/api/?key=y&limit=9/s", fields={"X-Api-Key": "a b?c#d%26e"})
        self.passes(2, path="/api/x")
        self.assertEqual(self.keys(), {f"api:{smuggled}": 3, "api:a b?c#d%26e": 1, "api:-": 1})

    def test_no_key_makes_an_error(self):
        """A key that no limit can have was 400 at the gate, and so 500 at the client."""
        self.start_flint()
        self.start()
        for key in ("x" * 600, "\xff\xfe", "\xc2\x85", "a\tb", "*"):
            with self.subTest(key=key):
                self.is_denied(with_wait=False, path="/api/", fields={"X-Api-Key": key})
        self.assertEqual(self.keys(), {})

    def test_the_program_gets_the_key_that_was_counted(self):
        self.start_flint()
        self.start()
        self.ask(path="/api/", fields={"X-Api-Key": ["first", "second"]})
        for _, _, fields, _ in self.behind.asked:
            key, = fields.get_all("X-Api-Key")
            self.assertEqual(self.keys(), {f"api:{key}": 1})

    def test_the_query_can_say_what_holds(self):
        self.start_flint()
        by_query = self.with_ports(block("nginx", 1)).replace("10/s+burst+20", "3/h")
        rest = self.with_ports(block("nginx")).split(GATE)[1].split("}")[0].replace("internal;", "")
        rest = "\n".join(line for line in rest.splitlines() if "proxy_pass " not in line)
        self.start(lambda text: text.replace(GATE, by_query.replace("# the rest as in /_gate/", rest) + GATE))
        for remaining in (2, 1, 0):
            self.passes(remaining, method="POST", body=b"x" * 5000, fields=BROWSER)
        self.is_denied()
        self.assertEqual(self.keys(), {"ip:127.0.0.1": 3})

    def test_without_flint_nothing_passes(self):
        self.start_flint()
        self.start()
        self.passes(2)
        self.flint.stop()
        status, fields = self.ask()
        self.assertEqual((status, fields["retry-after"]), (503, "1"))
        self.assertEqual(len(self.behind.asked), 1)
        self.start_flint()
        self.passes(1)

    def test_without_flint_everything_passes_if_so_configured(self):
        self.start_flint()
        lines = block("nginx", 2).splitlines()
        inside, beside = "\n".join(lines[:-1]), lines[-1]
        self.start(lambda text: text.replace(GATE, beside + "\n" + GATE + "\n" + inside))
        for remaining in (2, 1, 0):
            self.passes(remaining)
        self.is_denied()
        self.flint.stop()
        for _ in range(5):
            self.assertEqual(self.ask()[0], 200)
        self.start_flint()
        self.is_denied()


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""SIGHUP: the token file is read again, and the server goes on with the old token if it cannot use the new one."""

import http.client
import os
import random
import signal
import socket
import threading
import time
import unittest

from harness import DEADLINE, DONE, FlintTest, Server, wait_until

ROTATIONS = 20
CLIENTS = 6


class Client:
    """One connection that stays open: that the server closes it is a failure."""

    def __init__(self, bind):
        host, _, port = bind.rpartition(":")
        self.http = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
        self.http.connect()
        self.http.auto_open = 0

    def status(self, token, path="/v1/health"):
        self.http.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = self.http.getresponse()
        answer.read()
        return answer.status


class ReloadTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "token"
        self.write("first")

    def write(self, token):
        new = self.folder / "token.new"
        new.write_text(f"{token}\n")
        new.chmod(0o600)
        new.rename(self.file)

    def client(self, server):
        client = Client(server.bind)
        self.addCleanup(client.http.close)
        return client

    def ask_again(self, server, line):
        """Sends SIGHUP and waits until `line` is in the log once more."""
        before = server.logged().count(line)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.logged().count(line) > before, f"{line} after SIGHUP")

    def replace(self, server, token):
        self.write(token)
        self.ask_again(server, '"token_replaced"')

    def test_the_token_is_replaced_on_open_connections_too(self):
        # Symptom: a token could be replaced only by a restart, and SIGHUP did nothing but leave a line.
        with Server(self.data_dir, "--token-file", self.file) as server:
            client = self.client(server)
            self.assertEqual(client.status("first"), 200)
            self.replace(server, "second")
            self.assertEqual(client.status("first"), 401)
            self.assertEqual(client.status("second"), 200)
            self.assertEqual(self.client(server).status("second"), 200)
            self.ok(self.local("limit", "list"))
            self.ask_again(server, "contains the same tokens")
            self.assertEqual(client.status("second"), 200)
            self.assertEqual(server.stop(), DONE)
            for token in ("first", "second"):
                self.assertNotIn(token, server.logged().replace("file", ""))

    def test_tokens_are_rotated_under_load(self):
        # No request may be judged by a token that is neither the old nor the new one, and no connection may end.
        seed = int(os.environ.get("FLINT_TEST_SEED", time.time_ns() % 2**32))
        print(f"FLINT_TEST_SEED={seed}", flush=True)
        tokens = [f"token{number}" for number in range(ROTATIONS + 1)]
        self.write(tokens[0])
        # The newest token that is surely in force, and the newest that may be.
        sure, maybe, done, wrong = [0], [0], threading.Event(), []

        def work(number):
            dice, client, seen = random.Random(seed + number), self.client(server), set()
            while not done.is_set() or len(seen) < 2:
                first = sure[0]
                used = max(0, min(ROTATIONS, first + dice.choice((-1, 0, 0, 1))))
                status = client.status(tokens[used])
                last = maybe[0]
                seen.add(status)
                may = {200 if used == token else 401 for token in range(first, last + 1)}
                if status not in may:
                    wrong.append((status, used, first, last))
                    return

        def guarded(number):
            try:
                work(number)
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))

        with Server(self.data_dir, "--token-file", self.file, "--threads", "3") as server:
            clients = [threading.Thread(target=guarded, args=(number,)) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            for number in range(1, ROTATIONS + 1):
                maybe[0] = number
                self.replace(server, tokens[number])
                sure[0] = number
            done.set()
            for client in clients:
                client.join()
            self.assertEqual([], wrong)
            self.assertEqual(server.stop(), DONE)

    def test_what_cannot_be_the_token_leaves_the_old_one(self):
        def fifo():
            self.file.unlink()
            os.mkfifo(self.file)

        unusable = [
            (lambda: self.file.unlink(), "Cannot read the token file"),
            (lambda: self.file.write_text(""), "There is no token"),
            (lambda: self.file.write_text("two words"), "Line 1 of the tokens does not begin with a role"),
            (lambda: self.file.write_text("x" * 513), "1 to 512 visible ASCII characters"),
            (lambda: self.file.write_text("second\nthird\nmetrics second"),
             "Line 3 of the tokens has the token of another line"),
            (lambda: self.file.write_text("x" * 70000), "more than 65536 bytes"),
            (fifo, "is not a regular file"),
            (lambda: (self.file.unlink(), self.file.mkdir()), "is not a regular file"),
        ]
        with Server(self.data_dir, "--token-file", self.file) as server:
            client = self.client(server)
            for spoil, reason in unusable:
                with self.subTest(reason):
                    spoil()
                    self.ask_again(server, '"token_kept"')
                    line = [line for line in server.logged().splitlines() if "token_kept" in line][-1]
                    self.assertIn('"level":"error"', line)
                    self.assertIn("the tokens are unchanged", line)
                    self.assertIn(reason, line)
                    self.assertEqual(client.status("first"), 200)
            self.file.rmdir()
            self.replace(server, "second")
            self.assertEqual(client.status("second"), 200)
            self.assertEqual(server.stop(), DONE)

    def test_two_tokens_are_valid_at_once_for_a_rotation(self):
        # Symptom: between the new token in the server and the new one in its clients, every request was refused.
        with Server(self.data_dir, "--token-file", self.file) as server:
            client = self.client(server)
            for tokens, valid in (("first\nsecond", {"first", "second"}), ("second", {"second"})):
                self.replace(server, tokens)
                for token in ("first", "second"):
                    self.assertEqual(client.status(token), 200 if token in valid else 401, (tokens, token))
            self.assertEqual(server.stop(), DONE)

    def test_roles_change_on_open_connections_too(self):
        with Server(self.data_dir, "--token-file", self.file) as server:
            client = self.client(server)
            self.assertEqual(client.status("first", "/metrics"), 200)
            self.replace(server, "# less than before\ncheck first\nadmin second")
            self.assertEqual(client.status("first", "/metrics"), 403)
            self.assertEqual(client.status("first"), 200)
            self.assertEqual(client.status("second", "/metrics"), 200)
            self.assertEqual(server.stop(), DONE)

    def test_a_pipe_is_read_once(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        server = Server(self.data_dir, "--token-file", pipe)
        pipe.write_text("first\n")
        with server:
            self.ask_again(server, "is not a regular file")
            self.assertEqual(self.client(server).status("first"), 200)
            self.assertEqual(server.stop(), DONE)

    def test_where_there_is_no_file_it_says_so(self):
        for env, reason in (({}, "the server has no token"),
                            ({"FLINT_SERVER_TOKEN": "s3cret"}, "the token does not come from a file")):
            with self.subTest(reason), Server(self.data_dir, env=env) as server:
                self.ask_again(server, reason)
                self.assertEqual(self.client(server).status("s3cret"), 200)
                self.assertEqual(server.stop(), DONE)

    def test_what_an_operator_should_know_of_the_new_file_is_in_the_log(self):
        with Server(self.data_dir, "--token-file", self.file) as server:
            self.file.write_text("second")
            self.file.chmod(0o644)
            self.ask_again(server, '"token_replaced"')
            self.assertIn("other users can read or write the token file", server.logged())
            self.assertEqual(server.stop(), DONE)

    def test_a_client_of_the_former_token_gives_way(self):
        # Symptom: who had proven the former token kept its connection's place, and so could keep out who had the new.
        with Server(self.data_dir, "--token-file", self.file) as server:
            host, _, port = server.bind.rpartition(":")
            former = []
            for _ in range(1024):
                former.append(self.enter(socket.create_connection((host, int(port)))))
                former[-1].sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first\r\n\r\n")
                self.assertIn(b" 200 ", former[-1].recv(64))
            self.replace(server, "second")
            self.assertEqual(self.client(server).status("second"), 200)
            self.assertEqual(server.stop(), DONE)

    def enter(self, context):
        self.addCleanup(context.close)
        return context


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What the real program asks of the kernel, in which order: nothing else proves that data outlives the machine.

Tests in the program's own process see its calls of File::sync; a sync that does nothing passed them all.
"""

import re
import unittest

from traced import TraceTest, read_trace

SEGMENT = re.compile(r"/log-\d+\.flog$")
SENDS = ("sendto", "sendmsg", "write")
RECEIVES = ("recvfrom", "recvmsg", "read")
WRITES = ("write", "pwrite64", "pwritev", "ftruncate", "fallocate")
RENAMES = ("rename", "renameat", "renameat2")
UNLINKS = ("unlink", "unlinkat")
KEY = {"key": "user:1", "rate": 1000, "per": "1d"}


class Order(TraceTest):
    def setUp(self):
        super().setUp()
        self.directory = str(self.data_dir)

    # --- What a trace says -----------------------------------------------------------------------------------------

    def calls(self):
        calls = read_trace(self.trace)
        self.assertGreater(len(calls), 20, "strace wrote nothing")
        return calls

    def exchanges(self, calls, path):
        """(request, answer) of each POST to `path` that was answered with 200."""
        found = []
        for at, call in enumerate(calls):
            if call.name in RECEIVES and f'"POST {path} ' in call.arguments:
                answer = next(later for later in calls[at:] if later.name in SENDS and later.path == call.path
                              and '"HTTP/1.1 ' in later.arguments)
                self.assertIn('"HTTP/1.1 200 ', answer.arguments)
                found.append((call, answer))
        return found

    def syncs(self, calls, path):
        """Syncs of a path, or of what a pattern matches, that succeeded."""
        return [call for call in calls if call.name in ("fdatasync", "fsync") and call.ok and
                (path.search(call.path) if isinstance(path, re.Pattern) else call.path == path)]

    def synced_between(self, calls, path, after, before):
        """A sync of `path` began after the end of one call and ended before the beginning of another one."""
        return any(sync.begin > after.end and sync.end < before.begin for sync in self.syncs(calls, path))

    def renames(self, calls):
        """(call, from, to) of names in the data directory."""
        return [(call, *call.names()[-2:]) for call in calls
                if call.name in RENAMES and call.ok and call.path == self.directory]

    # --- What must hold --------------------------------------------------------------------------------------------

    def written(self, calls, rename, source):
        """The calls that wrote the file that `rename` publishes: each is created anew under its temporary name."""
        path = f"{self.directory}/{source}"
        created = max(call.begin for call in calls if call.name == "openat" and call.ok and "O_CREAT" in call.arguments
                      and call.begin < rename.begin and call.names()[:1] == [source])
        return [call for call in calls if call.name in WRITES and call.ok and call.path == path
                and created < call.begin < rename.begin]

    def assert_published_whole(self, calls):
        """A file is synced after the last write to it and before it gets its name, so no crash shows a part of it."""
        renames = self.renames(calls)
        self.assertGreater(len(renames), 0)
        for rename, source, _ in renames:
            writes = self.written(calls, rename, source)
            self.assertTrue(writes, f"nothing was written to {source}")
            self.assertTrue(self.synced_between(calls, f"{self.directory}/{source}", writes[-1], rename),
                            f"{source} was not synced before it was renamed: {rename}")

    def durable_names(self, calls, before):
        """Each name that a rename had made and a sync of the directory made durable before the call `before`, with what
        was written to that file."""
        return {target: "".join(text for call in self.written(calls, rename, source) for text in call.names())
                for rename, source, target in self.renames(calls)
                if self.synced_between(calls, self.directory, rename, before)}

    # --- Tests -----------------------------------------------------------------------------------------------------

    def test_an_answer_leaves_after_the_sync_of_what_it_says(self):
        """In `always`, a machine that stops after a 200 forgot the check."""
        with self.traced("--sync", "always") as server:
            self.ok(server.post("/v1/limits", KEY))
            for _ in range(5):
                self.ok(server.check())
            self.ok(server.post("/v1/check-all", {"items": ["user:1"]}))
            self.ok(server.post("/v1/reset", {"key": "user:1"}))
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        exchanges = [exchange for path, count in (("/v1/limits", 1), ("/v1/check", 5), ("/v1/check-all", 1),
                                                  ("/v1/reset", 1))
                     for exchange in self.counted(self.exchanges(calls, path), count)]
        for request, answer in exchanges:
            self.assertTrue(self.synced_between(calls, SEGMENT, request, answer),
                            f"no segment was synced between {request} and {answer}")

    def test_without_a_map_a_record_is_written_and_then_synced(self):
        """With `--no-map`, a check was answered before its record was written, or the log was mapped all the same."""
        with self.traced("--sync", "always", "--no-map", more_calls=",mmap") as server:
            self.ok(server.post("/v1/limits", KEY))
            for _ in range(5):
                self.ok(server.check())
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        maps = [call for call in calls if call.name == "mmap" and call.ok]
        self.assertTrue(maps)
        self.assertEqual([call for call in maps if SEGMENT.search(call.arguments) or ".flog" in call.arguments], [])
        for request, answer in self.counted(self.exchanges(calls, "/v1/check"), 5):
            writes = [call for call in calls if call.name == "pwrite64" and call.ok and SEGMENT.search(call.path)
                      and request.end < call.begin and call.end < answer.begin]
            self.assertEqual(len(writes), 1, f"between {request} and {answer}")
            self.assertTrue(self.synced_between(calls, SEGMENT, writes[0], answer))

    def test_a_check_does_not_ask_for_the_times_of_its_segment(self):
        """In `always`, each sync took 1.5 times as long: the kernel gives a change a time of its own, and writes the
        inode with it, once somebody has looked at the last one."""
        with self.traced("--sync", "always", more_calls=",newfstatat,fstat,stat,lstat,statx") as server:
            self.ok(server.post("/v1/limits", KEY))
            for _ in range(5):
                self.ok(server.check())
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        checks = self.counted(self.exchanges(calls, "/v1/check"), 5)
        looks = [call for call in calls if call.name in ("newfstatat", "fstat", "stat", "lstat", "statx")
                 and ".flog" in call.arguments and checks[0][0].end < call.begin < checks[-1][1].begin
                 and not self.reads_only(calls, call)]
        self.assertGreaterEqual(len(looks), 5, "nobody looked whether the segment is still there")
        for look in looks:
            self.assertEqual(look.name, "statx", look)
            self.assertRegex(look.arguments, r", STATX_INO, \{", look)

    def reads_only(self, calls, look):
        """Whether its descriptor was opened to read: the server examines its directory once, soon after its start."""
        descriptor = re.match(r"\d+", look.arguments).group()
        opened = [call for call in calls if call.name == "openat" and call.end is not None and call.end < look.begin
                  and re.match(descriptor + r"\b", call.result or "")]
        return bool(opened) and "O_RDONLY" in opened[-1].arguments and ".flog" in opened[-1].arguments

    def counted(self, found, count):
        self.assertEqual(len(found), count)
        return found

    def test_a_new_directory_is_durable_before_the_first_answer(self):
        """The machine stops after the first 200 of a new server, and the directory or a file of it has no name."""
        with self.traced("--sync", "always") as server:
            self.ok(server.post("/v1/limits", KEY))
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        [(_, answer)] = self.exchanges(calls, "/v1/limits")
        made = next(call for call in calls if call.name in ("mkdir", "mkdirat") and call.ok)
        self.assertTrue(self.synced_between(calls, str(self.folder), made, answer),
                        "the entry of the data directory itself is not durable")
        durable = self.durable_names(calls, answer)
        self.assertIn("manifest", durable)
        synced = {sync.path.removeprefix(f"{self.directory}/") for sync in self.syncs(calls, SEGMENT)
                  if sync.end < answer.begin}
        self.assertTrue(synced)
        self.assertLessEqual(synced, set(durable), "the answer rests on a segment whose name is not durable")
        self.assert_published_whole(calls)

    def test_a_compaction_removes_the_old_only_after_the_new_is_durable(self):
        """The machine stops during a compaction, and neither the old log nor the new snapshot is there."""
        with self.traced("--sync", "always") as server:
            self.ok(server.post("/v1/limits", KEY))
            for _ in range(3):
                for _ in range(5):
                    self.ok(server.check())
                self.ok(server.post("/v1/log/compact"))
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        self.assert_published_whole(calls)
        removed = [call for call in calls if call.name in UNLINKS and call.ok and call.path == self.directory
                   and re.fullmatch(r"log-\d+\.flog|snapshot-\d+\.fsnap", call.names()[0])]
        self.assertGreater(len(removed), 1, "three compactions dropped nothing")
        for unlink in removed:
            [name] = unlink.names()
            manifest = self.durable_names(calls, unlink)["manifest"]
            kind, number = re.match(r"(log|snapshot)-(\d+)", name).groups()
            if kind == "log":
                self.assertLess(int(number), int(re.search(r"first_segment (\d+)", manifest).group(1)), name)
            else:
                kept = re.findall(r"snapshot (\d+)", manifest)
                self.assertTrue(kept)
                self.assertNotIn(int(number), map(int, kept), name)
                self.assertLessEqual({f"snapshot-{int(other):012}.fsnap" for other in kept},
                                     set(self.durable_names(calls, unlink)))
        for generation, (_, answer) in enumerate(self.exchanges(calls, "/v1/log/compact"), 1):
            self.assertIn(f"snapshot {generation} ", self.durable_names(calls, answer)["manifest"])

    def test_a_flush_in_batch_answers_after_the_sync(self):
        """An explicit flush answered 200 and had asked nothing of the disk."""
        with self.traced("--sync", "batch", "--flush-every-ms", "60000", "--max-unsynced-ms", "60000") as server:
            self.ok(server.post("/v1/limits", KEY))
            self.ok(server.check())
            self.ok(server.post("/v1/log/flush"))
            self.assertEqual(server.stop(), 0)
        calls = self.calls()
        [(request, answer)] = self.exchanges(calls, "/v1/log/flush")
        self.assertTrue(self.synced_between(calls, SEGMENT, request, answer))


if __name__ == "__main__":
    unittest.main(verbosity=2)

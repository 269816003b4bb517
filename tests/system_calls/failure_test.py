"""The real program when the kernel says that a sync failed, and when its files are replaced."""

import shutil
import threading
import unittest

from traced import Server, TraceTest, read_trace

KEY = {"key": "user:1", "rate": 1000, "per": "1d"}
SAVED, FAILED = 200, 503
EXIT_STORAGE = 3


class Failures(TraceTest):
    def failing(self, when, *arguments, delay_us=0):
        """A server whose syncs of the first segment fail as strace's `when` says, each in the thread that made it.

        The segment is synced by its temporary name while it is made, so the first sync that counts is one for a caller.
        """
        delay = f":delay_enter={delay_us}" if delay_us else ""
        return Server(self.data_dir, *arguments, strace=[
            "-o", self.trace, "-P", self.data_dir / "log-000000000001.flog", "-e", "trace=fdatasync,pwrite64,ftruncate",
            "-e", f"inject=fdatasync:error=EIO:when={when}{delay}"])

    def used(self):
        """What a new process finds used of the key's 1,000 units."""
        with Server(self.data_dir) as server:
            status, decision = server.check()
            self.assertEqual((status, decision["allowed"]), (SAVED, True), decision)
            self.assertEqual(server.stop(), 0)
        return 1000 - decision["remaining"] - 1

    def test_a_failed_sync_is_503_and_the_end(self):
        """A sync that failed was made again and "succeeded": grants were acknowledged that the disk never saw."""
        with self.failing("3") as server:
            self.ok(server.post("/v1/limits", KEY))
            saved = 0
            status, answer = server.check()
            while status == SAVED and saved < 10:
                saved += 1
                status, answer = server.check()
            self.assertEqual((status, answer["code"]), (FAILED, "storage_failed"))
            try:
                for _ in range(20):
                    status, answer = server.check()
                    self.assertEqual((status, answer["code"]), (FAILED, "storage_failed"))
            except OSError:
                pass  # it has ended
            self.assertEqual(server.wait(), EXIT_STORAGE)
        calls = read_trace(self.trace)
        failed = next(at for at, call in enumerate(calls) if call.name == "fdatasync" and not call.ok)
        self.assertEqual(calls[failed + 1:], [], "the segment was written or synced again after a failed sync")
        self.assertIn(self.used(), (saved, saved + 1))

    def test_a_flush_in_batch_says_that_the_sync_in_the_background_failed(self):
        """The background met the error and swallowed it, so that an explicit flush lied."""
        with self.failing("1+", "--sync", "batch", "--flush-every-ms", "10") as server:
            server.post("/v1/limits", KEY)
            try:
                self.assertEqual(server.post("/v1/log/flush")[0], FAILED)
            except OSError:
                pass  # it has ended
            self.assertEqual(server.wait(), EXIT_STORAGE)

    def test_one_failed_sync_fails_all_who_wait_for_it(self):
        """Of many that waited for one sync, which failed, some were told that all was well."""
        with self.failing("2", delay_us=200_000) as server:
            self.ok(server.post("/v1/limits", KEY))
            answers = []

            def check():
                try:
                    answers.append(server.check()[0])
                except OSError:
                    answers.append(None)  # it has ended

            threads = [threading.Thread(target=check) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(server.wait(), EXIT_STORAGE)
        self.assertLessEqual(set(answers), {FAILED, None})
        self.assertLessEqual(self.used(), 8)

    def test_a_replaced_lock_file_stops_the_server_at_its_next_change(self):
        """Two servers wrote to one directory after somebody had deleted the lock file of the first one."""
        with Server(self.data_dir) as server:
            self.ok(server.post("/v1/limits", KEY))
            self.ok(server.check())
            (self.data_dir / "flint.lock").unlink()
            (self.data_dir / "flint.lock").touch()
            status, answer = server.check()
            self.assertEqual((status, answer["code"]), (FAILED, "storage_failed"))
            self.assertEqual(server.wait(), EXIT_STORAGE)

    def test_a_segment_that_is_gone_stops_the_server_at_its_next_change(self):
        """500 grants were acknowledged after the log had been replaced under the server, and were gone after a kill."""
        segment = self.data_dir / "log-000000000001.flog"
        copy = self.data_dir.parent / "copy"
        for replaced in (False, True):
            with self.subTest(replaced=replaced), Server(self.data_dir) as server:
                self.ok(server.post("/v1/limits", KEY))
                self.ok(server.check())
                shutil.copy(segment, copy)
                segment.unlink()
                if replaced:
                    shutil.copy(copy, segment)
                status, answer = server.check()
                self.assertEqual((status, answer["code"]), (FAILED, "storage_failed"))
                self.assertIn(segment.name, answer["error"])
                self.assertEqual(server.wait(), EXIT_STORAGE)
            shutil.rmtree(self.data_dir)


if __name__ == "__main__":
    unittest.main(verbosity=2)

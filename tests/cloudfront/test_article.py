"""The story that this project began with, in the order it was lived: a picture is deleted, its sizes are invalidated, the call
reports success, and the picture is still served."""

import http.server
import threading
import time
import unittest
import urllib.error
import urllib.request

import edge as running
from test_invalidation import client, create, matched

# What the published viewer-request function makes of /image/test.jpg?d=100: the path is rewritten, the query stays.
REWRITTEN = "/image/100x100/jpg/test.jpg"
ASKED = REWRITTEN + "?d=100"


class Bucket(http.server.BaseHTTPRequestHandler):
    """The bucket behind the edge, and the function that fills it: sizes lie under their rewritten path."""

    protocol_version = "HTTP/1.1"
    objects = {}

    def do_GET(self):
        body = self.objects.get(self.path.partition("?")[0])
        self.send_response(200 if body else 404)
        if body:
            self.send_header("Cache-Control", "max-age=31536000")
            self.send_header("Cache-Tag", "test-jpg")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class Article(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        bucket = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
        threading.Thread(target=bucket.serve_forever, daemon=True).start()
        cls.addClassCleanup(bucket.server_close)
        cls.addClassCleanup(bucket.shutdown)
        cls.edge = running.Edge(
            pass__origin=f"http://127.0.0.1:{bucket.server_address[1]}/",
            origin__allow="127.0.0.0/8",
            behaviours="path=/image/* serves=origin query=d",
        )
        cls.addClassCleanup(cls.edge.stop)

    def ask(self, target):
        try:
            with urllib.request.urlopen(self.edge.pictures + target) as answer:
                return answer.status, answer.read(), answer.headers["Cache-Status"]
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read(), answer.headers["Cache-Status"]

    def cached_then_deleted(self):
        """A size is made and cached; then the photo goes, and the delete function takes the size from the bucket."""
        Bucket.objects = {REWRITTEN: b"the old picture"}
        self.assertEqual(self.ask(ASKED)[:2], (200, b"the old picture"))
        self.assertIn("hit", self.ask(ASKED)[2])
        Bucket.objects = {}

    def invalidate(self, item):
        on = client(self.edge)
        made = create(on, item)
        waiter = on.get_waiter("invalidation_completed")
        waiter.wait(DistributionId=running.DISTRIBUTION, Id=made["Invalidation"]["Id"], WaiterConfig={"Delay": 1})
        return matched(made)

    def test_the_exact_path_reports_success_and_the_picture_is_still_served(self):
        self.cached_then_deleted()
        self.assertEqual(self.invalidate(REWRITTEN), f'"{REWRITTEN}";matched=0')
        status, body, cache = self.ask(ASKED)
        self.assertEqual((status, body), (200, b"the old picture"), "the key was the rewritten path and the query")
        self.assertIn("hit", cache)
        # What fixed it.
        self.assertEqual(self.invalidate(REWRITTEN + "*"), f'"{REWRITTEN}*";matched=1')
        self.assertEqual(self.ask(ASKED)[0], 404)

    def test_the_whole_key_or_a_tag_fixes_it_too(self):
        for item in (ASKED, "#test-jpg"):
            self.cached_then_deleted()
            self.assertEqual(self.invalidate(item), f'"{item}";matched=1')
            self.assertEqual(self.ask(ASKED)[0], 404, item)

    def test_with_our_own_canonical_path_it_never_happens(self):
        target = "/museum.jpg?d=100"
        self.edge.warm(target)
        # The URL a person knows is all it takes.
        self.assertEqual(self.invalidate(target), f'"{target}";matched=1')
        self.edge.warm(target)
        # And a deletion needs no invalidation at all.
        (self.edge.home / "pictures/museum.jpg").unlink()
        until = time.monotonic() + 1
        while self.ask(target)[0] != 404:
            self.assertLess(time.monotonic(), until, "a deleted picture is still served after a second")


if __name__ == "__main__":
    unittest.main()

"""A picture's life in a bucket: uploaded, served in sizes, replaced, deleted, and nothing left of it."""

import time
import unittest

import bucket as running

PICTURE = (running.ROOT / "examples/pictures/museum.jpg").read_bytes()
SIZES = ["?w=320", "?w=640&fm=webp", "?d=100x100", "?w=96&q=50", ""]
WINDOW = 2


class Bucket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ministack = running.Ministack()
        cls.addClassCleanup(cls.ministack.stop)
        cls.s3 = cls.ministack.s3
        for name in ("originals", "derived", "kept"):
            cls.s3.create_bucket(Bucket=name)
        cls.s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})

    def edge(self, source="s3://originals/p", derived="s3://derived/d", **settings):
        edge = running.Edge(self.ministack, source, derivatives__url=derived, source__window=f"{WINDOW}s", **settings)
        self.addCleanup(edge.stop)
        return edge

    def upload(self, key, body=PICTURE, bucket="originals"):
        self.s3.put_object(Bucket=bucket, Key=f"p/{key}", Body=body)

    def until(self, holds, words, seconds=60):
        begun = time.monotonic()
        while not holds():
            self.assertLess(time.monotonic() - begun, seconds, words)
            time.sleep(0.2)

    def derived(self, key):
        """What is stored of an original, as its escaped key names it."""
        return [name for name in self.ministack.keys("derived") if name.startswith(f"d/{key}/-/")]

    def warm(self, edge, key):
        for size in SIZES:
            status, body, cache = edge.ask(f"/{key}{size}")
            self.assertEqual(status, 200, (size, cache, edge.said()))
            self.assertTrue(body)
        self.until(lambda: len(self.derived(key)) == len(SIZES), "every size is stored")

    def test_a_deleted_original_is_gone_within_the_window_and_what_was_made_of_it_with_it(self):
        edge = self.edge()
        self.upload("a.jpg")
        self.warm(edge, "a.jpg")
        name = next(name for name in self.derived("a.jpg") if "/w320" in name)
        head = self.s3.head_object(Bucket="derived", Key=name)
        self.assertTrue(head["ContentType"].startswith("image/"))
        self.assertRegex(head["Metadata"]["cache-tag"], "^o[0-9a-f]{32}")
        self.assertEqual(head["Metadata"]["original"], "YS5qcGc")
        self.s3.delete_object(Bucket="originals", Key="p/a.jpg")
        time.sleep(WINDOW)
        for size in SIZES:
            self.assertEqual(edge.ask(f"/a.jpg{size}")[0], 404, size)
        self.until(lambda: self.derived("a.jpg") == [], "nothing made of it is left")
        receipts = edge.run("receipts").stdout
        self.assertIn("a.jpg: gone", receipts)
        self.assertIn(f"{len(SIZES)} derivatives", receipts)
        self.assertNotIn("NOT REACHED", receipts)

    def test_a_replaced_original_is_served_anew(self):
        edge = self.edge()
        self.upload("b.jpg")
        self.warm(edge, "b.jpg")
        old = edge.ask("/b.jpg?w=320")[1]
        other = next(path for path in sorted((running.ROOT / "examples/pictures").glob("*.jpg")) if path.name != "museum.jpg")
        self.upload("b.jpg", other.read_bytes())
        time.sleep(WINDOW)
        status, body, _ = edge.ask("/b.jpg?w=320")
        self.assertEqual(status, 200)
        self.assertNotEqual(body, old)
        self.s3.delete_object(Bucket="originals", Key="p/b.jpg")
        edge.run("purge", "b.jpg")
        self.until(lambda: self.derived("b.jpg") == [], "nothing is left")

    def test_what_nobody_asks_for_any_more_is_found_by_a_scan(self):
        edge = self.edge()
        self.upload("c d+é.jpg")
        self.assertEqual(edge.ask("/c%20d+%C3%A9.jpg?w=320")[0], 200)
        escaped = "c=20d=2B=C3=A9.jpg"
        self.until(lambda: self.derived(escaped), "it is stored")
        self.s3.delete_object(Bucket="originals", Key="p/c d+é.jpg")
        done = edge.run("reconcile", "--confirm")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.until(lambda: self.derived(escaped) == [], "the scan has found it")

    def test_stored_derivatives_serve_a_fresh_edge(self):
        self.upload("e.jpg")
        first = self.edge()
        made = first.ask("/e.jpg?w=320")
        self.until(lambda: self.derived("e.jpg"), "it is stored")
        first.stop()
        self._cleanups.pop()
        again = self.edge().ask("/e.jpg?w=320")
        self.assertEqual((again[0], again[1]), (200, made[1]))
        self.assertIn("stored-derivative", again[2])
        self.s3.delete_object(Bucket="originals", Key="p/e.jpg")

    def test_where_versions_are_kept_no_version_of_a_derivative_stays_and_receipts_name_the_originals(self):
        self.upload("f.jpg", bucket="kept")
        edge = self.edge(source="s3://kept/p", derived="s3://kept/d")
        self.assertEqual(edge.ask("/f.jpg?w=320")[0], 200)
        versions = lambda: self.s3.list_object_versions(Bucket="kept", Prefix="d/")
        self.until(lambda: versions().get("Versions"), "it is stored")
        self.s3.delete_object(Bucket="kept", Key="p/f.jpg")
        time.sleep(WINDOW)
        self.assertEqual(edge.ask("/f.jpg?w=320")[0], 404)
        self.until(lambda: not (versions().get("Versions") or versions().get("DeleteMarkers")), "no version is left")
        self.assertIn("NOT REACHED: earlier versions of the original in s3://kept/p/", edge.run("receipts").stdout)
        self.assertIn("earlier versions", edge.greeting)

    def test_a_bucket_mounted_beside_another(self):
        self.upload("g.jpg")
        edge = self.edge(source="s3://kept/p", derived="s3://derived/m", source__mounts="shop/ s3://originals/p")
        self.assertEqual(edge.ask("/shop/g.jpg?w=96")[0], 200)
        self.assertEqual(edge.ask("/g.jpg?w=96")[0], 404)
        self.s3.delete_object(Bucket="originals", Key="p/g.jpg")

    def refused(self, source, **settings):
        with self.assertRaises(AssertionError) as refused:
            running.Edge(self.ministack, source, **settings)
        return str(refused.exception)

    def test_what_cannot_be_right_does_not_start(self):
        self.assertIn("NoSuchBucket", self.refused("s3://nobodys"))
        self.assertIn("touches the originals", self.refused("s3://originals/p", derivatives__url="s3://originals"))
        self.assertIn("NoSuchBucket", self.refused("s3://originals/p", derivatives__url="s3://nobodys"))

    def test_the_promise_speaks_of_buckets(self):
        edge = self.edge()
        said = edge.run("check-config")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("from its bucket", said.stdout)
        self.assertIn("lifecycle", said.stdout)


if __name__ == "__main__":
    unittest.main()

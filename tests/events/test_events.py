"""Deletions and overwrites in a bucket, as its own notifications tell them, against the built server.

A folder stands for the bucket's content: whatever boto3 does to an object is done to its file. Nothing but the bucket's
events tells the server: it looks at the folder once an hour, and its proofs hold for an hour.
"""

import pathlib
import re
import shutil
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cloudfront"))

from edge import Edge  # noqa: E402
from emulator import EVENTS, Emulator  # noqa: E402

PICTURES = ROOT / "examples/pictures"
BUCKET = "pictures"
ODD_KEYS = ["a b.jpg", "a+b.jpg", "100%25.jpg", "100x100/a-200x200.jpg", "é/사진 &=.jpg", "deep/er/x~y.jpg"]


class Story:
    """One emulator with a bucket, and one server that a queue tells."""

    def __init__(self, test, emulator, queue_url):
        self.test, self.emulator, self.queue_url = test, emulator, queue_url
        self.s3 = emulator.client("s3")
        self.edge = Edge(
            watch__mode="poll",
            watch__poll_interval="1h",
            source__window="1h",
            source__settle="20ms",
            events__buckets=f"{BUCKET}/originals/",
            events__derivatives=f"{BUCKET}/originals/derived/",
            events__sqs_url=queue_url,
        )
        test.addCleanup(self.edge.stop)

    def file(self, key):
        path = self.edge.home / "pictures" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, key, picture):
        shutil.copy(PICTURES / picture, self.file(key))
        self.s3.put_object(Bucket=BUCKET, Key=f"originals/{key}", Body=b"stands for the file")

    def delete(self, key):
        self.file(key).unlink()
        self.s3.delete_object(Bucket=BUCKET, Key=f"originals/{key}")

    def get(self, key):
        target = "/" + urllib.parse.quote(key) + "?w=200"
        try:
            with urllib.request.urlopen(self.edge.pictures + target) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, b""

    def warm(self, key):
        self.edge.warm("/" + urllib.parse.quote(key) + "?w=200")

    def until(self, what, holds, seconds=20):
        begun = time.monotonic()
        while not holds():
            late = time.monotonic() - begun > seconds
            self.test.assertFalse(late, f"never: {what}; {self.metrics() if late else ''}")
            time.sleep(0.05)

    def metrics(self):
        with urllib.request.urlopen(self.edge.admin + "/metrics") as answer:
            text = answer.read().decode()
        found = re.findall(r'afterimage_events_\w+_total\{\w+="([\w-]+)"\} (\d+)', text)
        return {word: int(count) for word, count in found if count != "0"}

    def count(self, word):
        return self.metrics().get(word, 0)

    def all_dealt_with(self):
        self.until("the queue is empty", lambda: self.emulator.left(self.queue_url) == 0)


class Dialects:
    """What both emulators can do."""

    name = None
    derived = 1_000

    @classmethod
    def setUpClass(cls):
        cls.emulator = Emulator(cls.name)
        cls.addClassCleanup(cls.emulator.stop)
        cls.emulator.client("s3").create_bucket(Bucket=BUCKET)

    def told_by_queue(self, name):
        url, arn = self.emulator.queue(name)
        self.emulator.notify(BUCKET, QueueConfigurations=[{"QueueArn": arn, "Events": EVENTS}])
        return Story(self, self.emulator, url)

    def overwrite_and_delete(self, story, keys):
        for key in keys:
            story.put(key, "museum.jpg")
        story.all_dealt_with()
        for key in keys:
            story.warm(key)
            _, before = story.get(key)
            story.put(key, "flower.jpg")
            story.until(f"{key} is the new picture", lambda: story.get(key)[1] not in (before, b""))
            story.warm(key)
            story.delete(key)
            story.until(f"{key} is gone", lambda: story.get(key)[0] == 404)
        story.all_dealt_with()
        self.assertGreaterEqual(story.count("taken"), 3 * len(keys), story.metrics())
        self.assertEqual([story.count(word) for word in ("not-taken", "unreadable", "left")], [0, 0, 0])

    def test_a_queue_tells_of_every_key(self):
        story = self.told_by_queue("direct")
        self.overwrite_and_delete(story, ODD_KEYS)
        self.assertGreater(story.count("deleted"), 0)
        self.assertGreater(story.count("test"), 0, "the bucket says that notifications were set up")

    def test_deleting_what_was_derived_makes_no_work(self):
        # One bucket, no filter, many derivatives deleted: the published function called itself for ever.
        s3 = self.emulator.client("s3")
        self.emulator.notify(BUCKET)
        keys = [f"originals/derived/{number}.jpg/-/w100.webp" for number in range(self.derived)]
        for key in keys:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        story = self.told_by_queue("loop")
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
        story.until("each is heard", lambda: story.count("derivative") == self.derived, 60)
        story.all_dealt_with()
        self.assertEqual(story.count("taken"), 0)
        with urllib.request.urlopen(story.edge.admin + "/api/receipts") as answer:
            self.assertEqual(answer.read(), b"[]")

    def test_a_topic_tells_through_a_queue(self):
        url, arn = self.emulator.queue("of-topic")
        sns = self.emulator.client("sns")
        topic = sns.create_topic(Name="pictures")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.emulator.notify(BUCKET, TopicConfigurations=[{"TopicArn": topic, "Events": EVENTS}])
        self.overwrite_and_delete(Story(self, self.emulator, url), ["topic+ é.jpg"])


class Ministack(Dialects, unittest.TestCase):
    name = "ministack"


class Moto(Dialects, unittest.TestCase):
    name = "moto"
    # It writes 35 objects a second.
    derived = 100

    def test_a_bridge_tells_through_a_queue(self):
        url, arn = self.emulator.queue("of-bridge")
        bridge = self.emulator.client("events")
        bridge.put_rule(Name="pictures", EventPattern='{"source": ["aws.s3"]}')
        bridge.put_targets(Rule="pictures", Targets=[{"Id": "queue", "Arn": arn}])
        self.emulator.notify(BUCKET, EventBridgeConfiguration={})
        story = Story(self, self.emulator, url)
        self.overwrite_and_delete(story, ["bridge+ é.jpg"])
        self.assertGreater(story.count("eventbridge"), 0)


if __name__ == "__main__":
    unittest.main()

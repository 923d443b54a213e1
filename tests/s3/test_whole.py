"""The whole set-up: a bucket that tells a queue, two edges over it, and a distribution of CloudFront in front.

The proofs of both edges hold for an hour, so that nothing but the bucket's own event, or a scan where that is lost, makes a
picture go. The first edge hears the queue; it tells the second and CloudFront.
"""

import json
import time
import unittest

import bucket as running

PICTURES = running.ROOT / "examples/pictures"
# Five sizes, and two formats among them.
SIZES = ["?w=320", "?w=640&fm=webp", "?d=100x100", "?w=96&fm=webp", "?w=200"]
KEY, SECRET = "AKIAEDGE2", "c2VjcmV0/for+tests=only"


class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ministack = running.Ministack()
        cls.addClassCleanup(cls.ministack.stop)
        cls.s3, cls.sqs, cls.cloudfront = (cls.ministack.client(name) for name in ("s3", "sqs", "cloudfront"))
        for name in ("originals", "derived"):
            cls.s3.create_bucket(Bucket=name)
        cls.sqs.create_queue(QueueName="told")
        cls.queue = f"{cls.ministack.endpoint}/000000000000/told"
        arn = cls.sqs.get_queue_attributes(QueueUrl=cls.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        cls.notify = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]}
        origin = {"Id": "edge", "DomainName": "edge.example", "CustomOriginConfig": {
            "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}
        behaviour = {"TargetOriginId": "edge", "ViewerProtocolPolicy": "allow-all",
                     "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
        distribution = cls.cloudfront.create_distribution(DistributionConfig={
            "CallerReference": "whole", "Comment": "", "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]}, "DefaultCacheBehavior": behaviour})
        cls.distribution = distribution["Distribution"]["Id"]
        cls.listen(True)

        common = {"derivatives__url": "s3://derived", "source__window": "1h"}
        cls.second = running.Edge(cls.ministack, "s3://originals", admin__access_keys=f"{KEY} {SECRET}", **common)
        cls.addClassCleanup(cls.second.stop)
        told = (
            f"name=cf kind=cloudfront distribution={cls.distribution} endpoint={cls.ministack.endpoint} access_key=AKIATEST secret=test "
            f"name=second kind=edge endpoint={cls.second.admin} access_key={KEY} secret={SECRET}"
        )
        cls.first = running.Edge(cls.ministack, "s3://originals", events__sqs_url=cls.queue, cdn=told, **common)
        cls.addClassCleanup(cls.first.stop)

    @classmethod
    def listen(cls, tells):
        cls.s3.put_bucket_notification_configuration(
            Bucket="originals", NotificationConfiguration=cls.notify if tells else {}
        )

    def until(self, holds, words, seconds=30):
        begun = time.monotonic()
        while not holds():
            self.assertLess(time.monotonic() - begun, seconds, f"{words}\n{self.first.said()}")
            time.sleep(0.1)

    def upload(self, key, picture="museum.jpg"):
        self.s3.put_object(Bucket="originals", Key=key, Body=(PICTURES / picture).read_bytes())
        # An upload is an event too: its purge, in which there is nothing to delete, is over before anything is asked for.
        self.until(lambda: self.left() == 0, "the upload was heard")

    def left(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(counts[name]) for name in names)

    def statuses(self, key):
        return [edge.ask(f"/{key}{size}")[0] for edge in (self.first, self.second) for size in SIZES]

    def derived(self, key):
        return [name for name in self.ministack.keys("derived") if name.startswith(f"{key}/-/")]

    def warm(self, key):
        self.assertEqual(self.statuses(key), [200] * 10)
        self.until(lambda: len(self.derived(key)) == len(SIZES), "every size is stored")
        for edge in (self.first, self.second):
            for size in SIZES:
                self.assertIn("memory", edge.ask(f"/{key}{size}")[2])

    def items(self, key):
        """What CloudFront was told of an original, invalidation by invalidation."""
        listed = self.cloudfront.list_invalidations(DistributionId=self.distribution)["InvalidationList"].get("Items", [])
        ids = [invalidation["Id"] for invalidation in listed]
        told = [self.cloudfront.get_invalidation(DistributionId=self.distribution, Id=id) for id in ids]
        batches = [one["Invalidation"]["InvalidationBatch"]["Paths"]["Items"] for one in told]
        return [item for batch in batches for item in batch if key in item]

    def receipts(self, key):
        return [one for one in json.loads(self.first.run("receipts", "--json").stdout) if key in json.dumps(one["subject"])]

    def gone(self, key):
        self.until(lambda: self.statuses(key) == [404] * 10, "every size is gone from both edges")
        self.until(lambda: self.derived(key) == [], "nothing made of it is stored")

    def test_a_deletion_with_boto3_reaches_everything(self):
        self.upload("a.jpg")
        self.warm("a.jpg")
        before = len(self.items("a.jpg"))
        begun = time.monotonic()
        self.s3.delete_object(Bucket="originals", Key="a.jpg")
        self.gone("a.jpg")
        print(f"gone from two edges and the bucket {time.monotonic() - begun:.1f} s after the deletion")
        self.until(lambda: len(self.items("a.jpg")) == before + 1, "one item for the original")
        closed = lambda: [one for one in self.receipts("a.jpg") if one["state"] == "done" and one["removed"]]
        self.until(closed, "the receipt is complete")
        layers = {layer["name"] for layer in closed()[0]["layers"]}
        self.assertLessEqual({"cf", "second"}, layers)

    def test_a_lost_event_is_made_good_by_a_scan(self):
        self.upload("b.jpg")
        self.warm("b.jpg")
        self.listen(False)
        self.addCleanup(self.listen, True)
        self.s3.delete_object(Bucket="originals", Key="b.jpg")
        self.assertIn(200, self.statuses("b.jpg"))
        done = self.first.run("reconcile", "--confirm")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.gone("b.jpg")

    def test_a_late_and_doubled_deletion_spares_what_was_uploaded_again(self):
        self.upload("c.jpg")
        self.warm("c.jpg")
        old = self.first.ask("/c.jpg?w=320")[1]
        self.s3.delete_object(Bucket="originals", Key="c.jpg")
        self.gone("c.jpg")
        self.upload("c.jpg", "landscape.jpg")
        self.until(lambda: self.statuses("c.jpg") == [200] * 10, "the new picture is there")
        record = {"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "eventVersion": "2.1",
                  "s3": {"bucket": {"name": "originals"}, "object": {"key": "c.jpg", "sequencer": "00"}}}
        for _ in range(2):
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"Records": [record]}))
        self.until(lambda: self.left() == 0, "both were heard")
        self.assertEqual(self.statuses("c.jpg"), [200] * 10)
        self.assertNotEqual(self.first.ask("/c.jpg?w=320")[1], old)
        self.until(lambda: len(self.derived("c.jpg")) == len(SIZES), "what was made of the new picture stays")


if __name__ == "__main__":
    unittest.main()

"""Emulators of S3, SQS, SNS and EventBridge on free loopback ports: two, by different people, as second opinions."""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

REGION = "us-east-1"
EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
# Emulators check no signature, but clients want something to sign with.
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Emulator:
    """A running emulator."""

    def __init__(self, name):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.home = tempfile.TemporaryDirectory()
        environment = dict(os.environ)
        if name == "ministack":
            environment.update(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", MINISTACK_HOST="127.0.0.1")
            command = [pathlib.Path(sys.executable).with_name("ministack")]
        else:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.log = open(pathlib.Path(self.home.name) / "log", "w")
        self.process = subprocess.Popen(
            command, cwd=self.home.name, env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        log = pathlib.Path(self.log.name).read_text()
        self.stop()
        raise AssertionError(f"{name} did not start:\n{log}")

    def client(self, service):
        config = Config(s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config)

    def queue(self, name):
        """A new queue: its URL and its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        # The host that the emulator names may be one that leads elsewhere.
        return f"{self.url}/{url.split('://', 1)[1].split('/', 1)[1]}", arn

    def notify(self, bucket, **configurations):
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configurations
        )

    def left(self, url):
        """How many messages the queue holds, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        self.home.cleanup()

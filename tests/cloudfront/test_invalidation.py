"""The invalidation interface, called by the clients that people have: the AWS command line and boto3."""

import datetime
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import unittest.mock
import urllib.parse
import uuid

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions

import edge as running
from edge import DISTRIBUTION, KEY, ROOT, SECRET

URL = "/museum.jpg?w=400&auto=format"
ACCEPTS = ["*/*", "image/webp", "image/avif,image/webp"]


def client(edge, key=KEY, secret=SECRET, region="eu-west-1"):
    return boto3.client(
        "cloudfront",
        endpoint_url=edge.admin,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def create(on, *items, reference=None):
    paths = {"Quantity": len(items), "Items": list(items)}
    batch = {"Paths": paths, "CallerReference": reference or str(uuid.uuid4())}
    return on.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch)


def matched(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["afterimage-matched"]


class Story(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.edge = running.Edge(**cls.settings)
        cls.addClassCleanup(cls.edge.stop)

    def refused(self, code, status, call, *arguments, **named):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(*arguments, **named)
        answer = caught.exception.response
        self.assertEqual(
            (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]), (code, status), answer["Error"]
        )
        self.assertTrue(answer["ResponseMetadata"]["RequestId"])
        return answer["Error"]["Message"]


class CommandLine(Story):
    def aws(self, *arguments, check=True):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.edge.home),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        aws = pathlib.Path(sys.executable).with_name("aws")
        command = [sys.executable, aws, "cloudfront", *arguments, "--endpoint-url", self.edge.admin, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else done.stderr

    def test_an_invalidation_from_beginning_to_end(self):
        for accept in ACCEPTS[:2]:
            self.edge.warm(URL, accept)
        made = self.aws("create-invalidation", "--distribution-id", DISTRIBUTION, "--paths", URL, "/other/*", "#Tag-1")
        for accept in ACCEPTS[:2]:
            # Forgotten, and no derivative deleted.
            self.assertIn("stored-derivative", self.edge.get(URL, accept))
        identity = made["Invalidation"]["Id"]
        self.assertTrue(made["Location"].endswith(identity))
        self.assertEqual(made["Invalidation"]["InvalidationBatch"]["Paths"]["Items"], [URL, "/other/*", "#Tag-1"])
        named = ("--distribution-id", DISTRIBUTION, "--id", identity)
        self.aws("wait", "invalidation-completed", *named)
        self.assertEqual(self.aws("get-invalidation", *named)["Invalidation"]["Status"], "Completed")
        listed = self.aws("list-invalidations", "--distribution-id", DISTRIBUTION)["InvalidationList"]["Items"]
        self.assertIn(identity, [row["Id"] for row in listed])

    def test_the_distribution_is_found(self):
        listed = self.aws("list-distributions")["DistributionList"]["Items"]
        self.assertEqual([row["Id"] for row in listed], [DISTRIBUTION])
        whole = self.aws("get-distribution", "--id", DISTRIBUTION)
        self.assertEqual(whole["Distribution"]["Status"], "Deployed")
        self.assertIn(whole["Distribution"]["DomainName"], self.edge.pictures)
        config = self.aws("get-distribution-config", "--id", DISTRIBUTION)
        self.assertEqual(config["ETag"], whole["ETag"])
        self.assertEqual(config["DistributionConfig"]["CacheTagConfig"]["HeaderName"], "Cache-Tag")

    def test_a_refusal_is_told_in_words(self):
        told = self.aws("create-invalidation", "--distribution-id", "ENOBODY", "--paths", "/a", check=False)
        self.assertIn("NoSuchDistribution", told)
        told = self.aws("create-invalidation", "--distribution-id", DISTRIBUTION, "--paths", "a", check=False)
        self.assertIn("InvalidArgument", told)
        self.assertIn("begins with `/`", told)


class Boto3(Story):
    def test_the_waiter_and_the_paginator(self):
        on = client(self.edge)
        ids = [create(on, f"/{at}")["Invalidation"]["Id"] for at in range(5)]
        on.get_waiter("invalidation_completed").wait(
            DistributionId=DISTRIBUTION, Id=ids[-1], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
        )
        pages = list(
            on.get_paginator("list_invalidations").paginate(
                DistributionId=DISTRIBUTION, PaginationConfig={"PageSize": 2}
            )
        )
        rows = [row for page in pages for row in page["InvalidationList"].get("Items", [])]
        self.assertEqual([row["Id"] for row in rows][:5], ids[::-1])
        self.assertGreaterEqual(len(pages), 3)
        self.assertIsInstance(rows[0]["CreateTime"], datetime.datetime)
        self.assertEqual(len({row["Id"] for row in rows}), len(rows))

    def test_items_say_what_they_matched(self):
        on = client(self.edge)
        for accept in ACCEPTS:
            self.edge.warm(URL, accept)
        answer = create(on, "/MUSEUM.jpg*", "#none", URL)
        counts = re.findall(r'"((?:[^"\\]|\\.)*)";matched=(\d+)', matched(answer))
        self.assertEqual(counts, [("/MUSEUM.jpg*", "0"), ("#none", "0"), (URL, "3")])
        self.edge.warm(URL)
        self.assertEqual(matched(create(on, "/museum.jpg?*")), '"/museum.jpg?*";matched=1')

    def test_the_same_reference_twice(self):
        on = client(self.edge)
        first, again = create(on, "/a", "/b", reference="r"), create(on, "/a", "/b", reference="r")
        self.assertEqual(first["Invalidation"]["Id"], again["Invalidation"]["Id"])
        self.refused("InvalidationBatchAlreadyExists", 409, create, on, "/a", reference="r")

    def test_errors_are_the_model_s(self):
        on = client(self.edge)
        errors = on.exceptions
        with self.assertRaises(errors.NoSuchDistribution):
            on.get_distribution(Id="ENOBODY")
        with self.assertRaises(errors.NoSuchInvalidation):
            on.get_invalidation(DistributionId=DISTRIBUTION, Id="INOTHING")
        with self.assertRaises(errors.InvalidArgument):
            create(on, "/a~b")
        with self.assertRaises(errors.BatchTooLarge):
            create(on, *["/a"] * 3001)
        with self.assertRaises(errors.InconsistentQuantities):
            batch = {"Paths": {"Quantity": 2, "Items": ["/a"]}, "CallerReference": "q"}
            on.create_invalidation(DistributionId=DISTRIBUTION, InvalidationBatch=batch)
        with self.assertRaises(errors.TooManyInvalidationsInProgress):
            create(on, *[f"/{at}/*" for at in range(16)])
        self.assertEqual(create(on, *["/a"] * 3000)["ResponseMetadata"]["HTTPStatusCode"], 201)


class Signatures(Story):
    settings = {"admin__clock_skew": "2s"}

    def test_a_wrong_key_is_refused(self):
        self.refused("InvalidClientTokenId", 403, create, client(self.edge, key="AKIAOTHER"), "/a")
        self.refused("SignatureDoesNotMatch", 403, create, client(self.edge, secret=SECRET + "x"), "/a")
        for region in ("us-east-1", "ap-northeast-2"):
            create(client(self.edge, region=region), "/a")

    def test_a_wrong_date_is_refused(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for seconds, words in ((-60, "Signature expired"), (60, "not yet current")):
            moved = now + datetime.timedelta(seconds=seconds)
            with unittest.mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: moved):
                told = self.refused("SignatureDoesNotMatch", 403, create, client(self.edge), "/a")
            self.assertIn(words, told)

    def test_a_tampered_request_is_refused(self):
        def other_body(request, **_):
            request.body = request.body.replace(b"/mine", b"/ours")

        def other_path(request, **_):
            request.url = request.url.replace(DISTRIBUTION, "E2OTHER")

        def other_query(request, **_):
            request.url += "?x=1"

        def other_token(request, **_):
            request.headers["X-Amz-Security-Token"] = "more"

        for tamper in (other_body, other_path, other_query, other_token):
            on = client(self.edge)
            on.meta.events.register("before-send.cloudfront.CreateInvalidation", tamper)
            self.refused("SignatureDoesNotMatch", 403, create, on, "/mine")

    def test_a_replay_past_the_skew_is_refused(self):
        sent = []

        def keep(request, **_):
            sent.append((request.url, request.body, dict(request.headers.items())))

        on = client(self.edge)
        on.meta.events.register("before-send.cloudfront.CreateInvalidation", keep)
        made = create(on, "/a")

        def replay():
            url, body, headers = sent[0]
            parts = urllib.parse.urlsplit(url)
            connection = http.client.HTTPConnection(parts.netloc)
            # Header values may be bytes.
            headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
            connection.request("POST", parts.path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, text

        status, text = replay()
        self.assertEqual(status, 201)
        self.assertIn(made["Invalidation"]["Id"], text, "a replay within the skew is the same invalidation")
        time.sleep(3.1)
        status, text = replay()
        self.assertEqual(status, 403)
        self.assertIn("<Code>SignatureDoesNotMatch</Code>", text)

    def test_botocore_and_the_edge_agree_on_every_canonical_request(self):
        """botocore as the oracle: whatever it signs, the edge must find rightly signed, even where nothing is there."""
        credentials = botocore.credentials.Credentials(KEY, SECRET)
        base = f"/2020-05-31/distribution/{DISTRIBUTION}/invalidation"
        targets = [
            base,
            base + "?MaxItems=3",
            base + "?Marker=I0&MaxItems=3",
            # As its own serialiser writes them: `~` stays.
            base + "?MaxItems=3&Marker=a%2Fb%20c%2Bd~e",
            base + "?b=2&a=1&b=1&A=0&empty=&a%20b=%26%3D",
            base + "/I%20x",
            base + "/%E1%88%B4~'(1)!*",
            base + "//I1",
            base + "/./I1/../I2/",
            base + "/a%2Fb%25c",
            "/2020-05-31/distribution/",
        ]
        headers = [{}, {"X-Amz-Meta-Thing": "  two   words  "}, {"Content-Type": 'text/xml; charset="utf-8"'}]
        for target in targets:
            for extra in headers:
                for method, body in (("GET", b""), ("POST", b"\x00<a>\xff")):
                    request = botocore.awsrequest.AWSRequest(method, self.edge.admin + target, dict(extra), body)
                    botocore.auth.SigV4Auth(credentials, "cloudfront", "us-east-1").add_auth(request)
                    connection = http.client.HTTPConnection(self.edge.admin.removeprefix("http://"))
                    connection.request(method, target, body or None, dict(request.headers.items()))
                    answer = connection.getresponse()
                    text = answer.read().decode()
                    connection.close()
                    self.assertNotIn(answer.status, (403, 500), f"{method} {target} {extra}: {text}")


class Documentation(Story):
    """What docs/operating/invalidation.md gives people to copy, run as it stands but for the port."""

    def run_block(self, language, command):
        text = (ROOT / "docs/operating/invalidation.md").read_text()
        blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        self.assertTrue(blocks, language)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AFTERIMAGE_", "AWS_"))},
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.edge.home),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if language == "python":
            environment |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
        outputs = []
        for block in blocks:
            script = block.replace("http://localhost:8081", self.edge.admin)
            self.assertNotEqual(script, block, "a block that speaks to nobody")
            done = subprocess.run(
                [*command, script], env=environment, cwd=self.edge.home, capture_output=True, text=True, timeout=120
            )
            self.assertEqual(done.returncode, 0, f"{block}\n{done.stderr}")
            outputs.append(done.stdout)
        return outputs

    def test_the_shell_s(self):
        called, purged = self.run_block("sh", ["sh", "-euc"])
        self.assertIn('"Status":', called)
        self.assertEqual(purged, "purged\npurged\n")

    def test_python_s(self):
        self.assertIn('"/museum.jpg*";matched=', self.run_block("python", [sys.executable, "-c"])[0])


if __name__ == "__main__":
    unittest.main()

"""The module applied to an emulator of AWS, read back by AWS's own client, tried, and taken down again.

The emulator knows no rights, checks no signature and cannot run the rewriting (it has no rawQueryString): docs/operating/aws.md lists what only
AWS can prove.
"""

import concurrent.futures
import json
import os
import pathlib
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "events"))
import standin
from workshop import PACKAGES, Workshop, lacking, terraform

try:
    import emulator
except ImportError as missing:
    emulator = None
    lacked = missing

SERVICES = [
    "cloudfront", "cloudfrontkeyvaluestore", "cloudwatch", "events", "iam", "lambda", "logs", "s3", "s3control", "scheduler", "sqs", "sts",
]
ROOT = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  endpoints {
ENDPOINTS
  }
}

module "afterimage" {
  source                    = "../deploy/terraform"
  package_directory         = "${path.module}/packages"
  rewrite_code              = "function handler(event) { return event.request; }"
  batch_window_s            = 1
  derivatives_force_destroy = true
ARGUMENTS
}

output "all" {
  value = module.afterimage
}
"""


class SetUp:
    """One emulator with the module applied to it."""

    def __init__(self, workshop, folder, before=None, **arguments):
        self.cloud = emulator.Emulator("ministack")
        running.append(self.cloud)
        self.folder = workshop.root / folder
        (self.folder / "packages").mkdir(parents=True)
        self.book = self.folder / "book"
        for function in PACKAGES:
            (self.folder / "packages" / f"{function}.zip").write_bytes(standin.package(function, self.book))
        endpoints = "\n".join(f'    {service} = "{self.cloud.url}"' for service in SERVICES)
        wanted = "\n".join(f"  {key} = {json.dumps(value)}" for key, value in arguments.items())
        (self.folder / "main.tf").write_text(ROOT.replace("ENDPOINTS", endpoints).replace("ARGUMENTS", wanted))
        if before:
            before(self.cloud)
        self.run("init", workshop.init(self.folder))
        self.terraform("apply", "-auto-approve")
        self.said = json.loads(self.terraform("output", "-json").stdout)["all"]["value"]

    def run(self, what, answer):
        if answer.returncode != 0:
            raise AssertionError(f"terraform {what}:\n{answer.stdout[-4000:]}\n{answer.stderr}")
        return answer

    def terraform(self, *arguments):
        verb, *further = arguments
        plain = [] if verb == "output" else ["-no-color"]
        return self.run(verb, terraform(self.folder, verb, *plain, *further))

    def told(self, function):
        lines = self.book.read_text().splitlines() if self.book.exists() else []
        return [each for each in map(json.loads, lines) if each["function"] == function]

    def wait_for(self, function, holds, seconds=60):
        for _ in range(seconds * 4):
            for each in self.told(function):
                if holds(each["event"]):
                    return each
            time.sleep(0.25)
        raise AssertionError(f"{function} was not told within {seconds} s; it was told {self.told(function)}")


def keep_what_is_there(cloud):
    """An existing bucket with a notification of its owner, and EventBridge switched on as existing_bucket_needs says."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="pictures")
    _, arn = cloud.queue("owners")
    cloud.notify(
        "pictures", QueueConfigurations=[{"Id": "owners", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}], EventBridgeConfiguration={}
    )


# The emulators, however far their set-ups came.
running = []


def setUpModule():
    global workshop, own, existing
    unittest.addModuleCleanup(lambda: [cloud.stop() for cloud in running])
    if not os.environ.get("AFTERIMAGE_LONG"):
        lacking("the module was not applied to an emulator; it takes minutes, and AFTERIMAGE_LONG=1 does it")
    if emulator is None:
        lacking(f"there is no emulator ({lacked})")
    workshop = Workshop()
    unittest.addModuleCleanup(workshop.close)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(SetUp, workshop, "own")
        second = pool.submit(
            SetUp, workshop, "existing", keep_what_is_there, name="second", mode="cheap", event_path="lambda", existing_bucket="pictures"
        )
        own, existing = first.result(), second.result()


class ReadBack(unittest.TestCase):
    """What the emulator was told, as AWS's client reads it."""

    def test_the_bucket_tells_the_queue(self):
        s3, sqs = own.cloud.client("s3"), own.cloud.client("sqs")
        told = s3.get_bucket_notification_configuration(Bucket=own.said["originals_bucket"])
        (queue,) = told["QueueConfigurations"]
        self.assertEqual(sorted(queue["Events"]), ["s3:LifecycleExpiration:*", "s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
        url = sqs.get_queue_url(QueueName="afterimage-events")["QueueUrl"]
        facts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        self.assertEqual(queue["QueueArn"], facts["QueueArn"])
        self.assertGreaterEqual(int(facts["VisibilityTimeout"]), 360)
        self.assertTrue(json.loads(facts["RedrivePolicy"])["deadLetterTargetArn"].endswith(":afterimage-dead"))
        (statement,) = json.loads(facts["Policy"])["Statement"]
        self.assertEqual(statement["Condition"]["ArnEquals"]["aws:SourceArn"], f"arn:aws:s3:::{own.said['originals_bucket']}")

    def test_the_function_url_knows_cloudfront_alone(self):
        functions = own.cloud.client("lambda")
        url = functions.get_function_url_config(FunctionName="afterimage-render")
        self.assertEqual((url["AuthType"], url["InvokeMode"]), ("AWS_IAM", "RESPONSE_STREAM"))
        statements = json.loads(functions.get_policy(FunctionName="afterimage-render")["Policy"])["Statement"]
        self.assertEqual(sorted(each["Action"] for each in statements), ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"])
        for each in statements:
            self.assertEqual(each["Principal"], {"Service": "cloudfront.amazonaws.com"})
            self.assertIn(own.said["distribution_id"], json.dumps(each["Condition"]))

    def test_the_distribution_is_as_it_was_meant(self):
        cloudfront = own.cloud.client("cloudfront")
        edge = cloudfront.get_distribution_config(Id=own.said["distribution_id"])["DistributionConfig"]
        (origin,) = edge["Origins"]["Items"]
        self.assertIn(".lambda-url.", origin["DomainName"])
        self.assertTrue(origin["OriginAccessControlId"] and origin["OriginShield"]["Enabled"])
        behaviour = edge["DefaultCacheBehavior"]
        self.assertFalse(behaviour["Compress"])
        self.assertEqual([each["EventType"] for each in behaviour["FunctionAssociations"]["Items"]], ["viewer-request"])
        policy = cloudfront.get_cache_policy(Id=behaviour["CachePolicyId"])["CachePolicy"]["CachePolicyConfig"]
        self.assertEqual(policy["MinTTL"], 0)
        headers = cloudfront.get_response_headers_policy(Id=behaviour["ResponseHeadersPolicyId"])["ResponseHeadersPolicy"]
        removed = headers["ResponseHeadersPolicyConfig"]["RemoveHeadersConfig"]["Items"]
        self.assertEqual([each["Header"] for each in removed], ["cache-tag"])
        self.assertEqual({each["ErrorCachingMinTTL"] for each in edge["CustomErrorResponses"]["Items"]}, {1})

    def test_cheap_asks_the_bucket_first(self):
        edge = existing.cloud.client("cloudfront").get_distribution_config(Id=existing.said["distribution_id"])["DistributionConfig"]
        (group,) = edge["OriginGroups"]["Items"]
        self.assertEqual([each["OriginId"] for each in group["Members"]["Items"]], ["derivatives", "render"])
        self.assertEqual(sorted(group["FailoverCriteria"]["StatusCodes"]["Items"]), [403, 404])
        self.assertEqual(edge["DefaultCacheBehavior"]["TargetOriginId"], group["Id"])
        self.assertEqual({each["Id"] for each in edge["Origins"]["Items"]}, {"render", "derivatives", "originals"})

    def test_batches_fail_in_part_and_the_schedule_stands(self):
        mappings = own.cloud.client("lambda").list_event_source_mappings(FunctionName="afterimage-purge")["EventSourceMappings"]
        self.assertEqual(len(mappings), 2)
        for mapping in mappings:
            self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        schedule = own.cloud.client("scheduler").get_schedule(Name="afterimage-reconcile")
        self.assertEqual((schedule["ScheduleExpression"], schedule["State"]), ("rate(1 day)", "ENABLED"))
        self.assertTrue(schedule["Target"]["Arn"].endswith(":afterimage-reconcile"))


class Works(unittest.TestCase):
    """That what was wired together is connected."""

    def test_an_upload_and_a_deletion_reach_the_purge_function_through_the_queue(self):
        s3, bucket = own.cloud.client("s3"), own.said["originals_bucket"]
        s3.put_object(Bucket=bucket, Key="a b.jpg", Body=b"one")
        s3.delete_object(Bucket=bucket, Key="a b.jpg")
        for kind in ("ObjectCreated:", "ObjectRemoved:"):
            told = own.wait_for("purge", lambda event: any(kind in each.get("body", "") for each in event.get("Records", [])))
        self.assertIn(f"distribution={own.said['distribution_id']} by=paths", told["settings"]["AFTERIMAGE_CDN"])

    def test_a_message_for_later_comes_back(self):
        sqs = own.cloud.client("sqs")
        url = own.cloud.client("lambda").get_function_configuration(FunctionName="afterimage-purge")
        url = url["Environment"]["Variables"]["AFTERIMAGE_LAMBDA_LATER_QUEUE"]
        sqs.send_message(QueueUrl=url, MessageBody="a second sweep", DelaySeconds=1)
        own.wait_for("purge", lambda event: any(each.get("body") == "a second sweep" for each in event.get("Records", [])))

    def test_an_existing_bucket_tells_by_eventbridge_beside_its_own_notification(self):
        s3, sqs = existing.cloud.client("s3"), existing.cloud.client("sqs")
        s3.put_object(Bucket="pictures", Key="a+b.jpg", Body=b"one")
        s3.delete_object(Bucket="pictures", Key="a+b.jpg")
        for kind in ("Object Created", "Object Deleted"):
            existing.wait_for("purge", lambda event: event.get("detail-type") == kind and event["detail"]["object"]["key"] == "a+b.jpg")
        told = s3.get_bucket_notification_configuration(Bucket="pictures")
        self.assertEqual([each["Id"] for each in told["QueueConfigurations"]], ["owners"])
        url = sqs.get_queue_url(QueueName="owners")["QueueUrl"]
        self.assertGreater(existing.cloud.left(url), 0)

    def test_a_viewer_gets_a_picture_and_no_tag(self):
        functions = own.cloud.client("lambda")
        # The emulator's CloudFront does not sign, so its own function refuses it, as AWS's refuses everybody else.
        self.assertEqual(self.ask()[0], 403)
        functions.update_function_url_config(FunctionName="afterimage-render", AuthType="NONE")
        try:
            status, headers, body = self.ask()
        finally:
            functions.update_function_url_config(FunctionName="afterimage-render", AuthType="AWS_IAM")
        self.assertEqual((status, body, headers["content-type"]), (200, b"a picture", "image/webp"))
        self.assertIsNone(headers["cache-tag"])
        (told,) = own.told("render")
        self.assertEqual((told["event"]["rawPath"], told["event"].get("rawQueryString", "")), ("/a.jpg/-/w400.webp", ""))
        self.assertEqual(told["settings"]["AFTERIMAGE_SERVER_TRUST"], "canonical")

    def ask(self):
        headers = {"Host": own.said["distribution_domain"], "X-Forwarded-Proto": "https"}
        request = urllib.request.Request(f"{own.cloud.url}/a.jpg/-/w400.webp?w=1", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, refused.read()


# Where ministack answers the provider otherwise than AWS, so that a second plan would mend it. Its older protocol, which the provider
# speaks, leaves half of an alarm out; of a policy without headers of its own it says that it has an empty list of them.
MISREAD = {
    "aws_cloudwatch_metric_alarm": {
        "actions_enabled": "ActionsEnabled", "alarm_description": "AlarmDescription", "dimensions": "Dimensions", "period": "Period",
        "statistic": "Statistic", "treat_missing_data": "TreatMissingData",
    },
    "aws_cloudfront_response_headers_policy": {"custom_headers_config": None},
}


class ZTakenDown(unittest.TestCase):
    """Last: what was made goes, what was there stays."""

    def test_a_second_plan_and_the_end(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.end, made) for made in (own, existing)]:
                done.result()
        self.assertEqual([each["Name"] for each in existing.cloud.client("s3").list_buckets()["Buckets"]], ["pictures"])
        told = existing.cloud.client("s3").get_bucket_notification_configuration(Bucket="pictures")
        self.assertEqual([each["Id"] for each in told["QueueConfigurations"]], ["owners"])

    def misread(self, made, changes):
        """That a second plan changes nothing, but for what the emulator misreads: that has to be as it was meant all the same."""
        alarms = {each["AlarmName"]: each for each in made.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
        for each in changes:
            before, after = each["change"]["before"] or {}, each["change"]["after"] or {}
            other = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
            known = MISREAD.get(each["type"], {})
            self.assertEqual((each["change"]["actions"], other - known.keys()), (["update"], set()), f"{each['address']}: {before} {after}")
            if each["type"] == "aws_cloudwatch_metric_alarm":
                alarm = alarms[after["alarm_name"]]
                alarm["Dimensions"] = {pair["Name"]: pair["Value"] for pair in alarm["Dimensions"]}
                self.assertEqual({key: alarm[name] for key, name in known.items()}, {key: after[key] for key in known})
        if changes:
            print(f"\n!!! THAT A SECOND PLAN CHANGES NOTHING WAS NOT SHOWN OF {len(changes)} RESOURCES: the emulator misreads them !!!", flush=True)

    def end(self, made):
        made.terraform("plan", "-out=second")
        planned = json.loads(made.terraform("show", "-json", "second").stdout)["resource_changes"]
        self.misread(made, [each for each in planned if each["change"]["actions"] != ["no-op"]])
        made.terraform("destroy", "-auto-approve")
        cloud = made.cloud
        self.assertEqual(cloud.client("lambda").list_functions()["Functions"], [])
        self.assertEqual(cloud.client("cloudfront").list_distributions()["DistributionList"].get("Items", []), [])
        self.assertEqual([url for url in cloud.client("sqs").list_queues().get("QueueUrls", []) if "owners" not in url], [])

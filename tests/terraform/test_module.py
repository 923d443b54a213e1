"""The module by itself: format, the provider's schema, every combination with a mocked provider, and what validate cannot see."""

import json
import pathlib
import re
import shutil
import unittest

from workshop import MODULE, ROOT, Workshop, lacking, terraform

ACCOUNT = "111122223333"
DISTRIBUTION = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E2EXAMPLE"
# What a function may do at the most, by service.
ALLOWED = {"logs", "s3", "sqs", "cloudfront"}


def setUpModule():
    global workshop
    workshop = Workshop()


def tearDownModule():
    workshop.close()


class Made:
    """What one run made."""

    def __init__(self, state):
        self.resources = state["root_module"]["resources"]

    def all(self, kind):
        return {entry.get("index", entry["name"]): entry["values"] for entry in self.resources if entry["type"] == kind}

    def one(self, kind, name):
        return next(entry["values"] for entry in self.resources if (entry["type"], entry["name"]) == (kind, name))

    def statements(self, kind, index):
        return json.loads(self.all(kind)[index]["policy"])["Statement"]

    def functions(self):
        return self.all("aws_lambda_function")

    def roles(self):
        """The statements of each function's role."""
        policies = {entry["values"]["name"]: entry["values"] for entry in self.resources if entry["type"] == "aws_iam_role_policy"}
        return {name: json.loads(policies[name]["policy"])["Statement"] for name in ("render", "purge", "reconcile")}


def listed(value):
    return value if isinstance(value, list) else [value]


class Form(unittest.TestCase):
    def test_everything_is_formatted(self):
        answer = terraform(MODULE, "fmt", "-check", "-recursive", "-diff")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_the_example_without_tags_is_valid(self):
        if workshop.version >= (6,):
            lacking("the example for provider 5.x needs one, and the newest here is another")
        folder = workshop.module / "examples" / "without-tags"
        self.assertEqual(workshop.init(folder).returncode, 0)
        answer = terraform(folder, "validate", "-no-color")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_the_examples_differ_in_provider_and_folder_alone(self):
        texts = []
        for name, provider, source in [("with-tags", '">= 6.46, < 7.0"', '"../../tags"'), ("without-tags", '">= 5.100, < 6.0"', '"../.."')]:
            text = (MODULE / "examples" / name / "main.tf").read_text()
            for mark in (f"version = {provider}", f"= {source}\n"):
                self.assertEqual(text.count(mark), 1, f"{name}: {mark}")
            texts.append(text.replace(provider, "").replace(f"= {source}\n", "\n").split("\n", 1)[1])
        self.assertEqual(*texts)

    def test_the_folder_with_tags_is_the_module_and_one_file(self):
        names = {path.name for path in MODULE.glob("*.tf")}
        links = {path.name: path for path in (MODULE / "tags").glob("*.tf")}
        self.assertEqual(set(links) - names, {"tags_override.tf"})
        self.assertEqual(names - set(links), set(), "deploy/terraform/tags lacks a link")
        for name in names:
            self.assertEqual(links[name].readlink(), pathlib.Path("..") / name)


class WithTags(unittest.TestCase):
    """The module, the folder with tags and its example over the schema of a provider that knows tags: the one that is installed, or
    one that has nothing but such a schema."""

    @classmethod
    def setUpClass(cls):
        cls.surroundings = {}
        if workshop.tags_can_be_checked():
            return
        try:
            import newer
        except ImportError as missing:
            lacking(f"cache tags take provider 6.46 or its schema ({missing})")
        provider = newer.Newer()
        cls.addClassCleanup(provider.close)
        cls.surroundings = provider.surroundings

    def over(self, folder, *arguments):
        if arguments[0] != "init":
            self.assertEqual(self.over(folder, "init", "-backend=false").returncode, 0)
        # The provider that is installed, or the one that is at work already; the latter needs no folder of plugins.
        plugins = [f"-plugin-dir={workshop.plugins}"] if arguments[0] == "init" and workshop.plugins and not self.surroundings else []
        return terraform(folder, *arguments, *plugins, surroundings=self.surroundings)

    def copy(self, name):
        folder = workshop.root / name
        shutil.copytree(MODULE, folder / "deploy" / "terraform", symlinks=True, ignore=shutil.ignore_patterns(".terraform*"))
        shutil.copytree(workshop.root / "dist", folder / "dist")
        return folder / "deploy" / "terraform"

    def test_the_example_is_valid(self):
        answer = self.over(self.copy("example") / "examples" / "with-tags", "validate", "-no-color")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_the_folder_s_own_tests(self):
        answer = self.over(self.copy("tags") / "tags", "test", "-no-color")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("2 passed", answer.stdout)

    def test_the_module_holds_over_a_newer_provider_too(self):
        answer = self.over(self.copy("newer"), "test", "-no-color", "-filter=tests/modes.tftest.hcl")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_what_the_folder_says_is_said_where_it_goes(self):
        """Terraform passes over what a provider does not know in an override, so what stands there is put where it would go."""
        folder = self.copy("in-place")
        override = (MODULE / "tags" / "tags_override.tf").read_text()
        blocks = re.findall(r'^(resource "\w+" "\w+" \{\n)(.*?)^\}\n', override, re.M | re.S)
        self.assertEqual(len(blocks), override.count('resource "'))
        for head, body in blocks:
            (file,) = [file for file in folder.glob("*.tf") if head in file.read_text()]
            before = file.read_text()
            name = re.search(r"(header_name|invoked_via_function_url) +=", body)[1]
            for said, wrong in [(body, []), (body.replace(name, "misspelt"), ["misspelt"])]:
                file.write_text(before.replace(head, head + said))
                answer = json.loads(self.over(folder, "validate", "-json").stdout)
                errors = [each for each in answer["diagnostics"] if each["severity"] == "error" and each["summary"] == "Unsupported argument"]
                self.assertEqual([re.search(r'"(\w+)"', each["detail"])[1] for each in errors], wrong)
                self.assertEqual(answer["valid"], not wrong, answer)
            file.write_text(before)


class Combinations(unittest.TestCase):
    """The runs of the module's own tests, read as a whole."""

    @classmethod
    def setUpClass(cls):
        answer = terraform(workshop.module, "test", "-json", "-verbose", timeout=900)
        said = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
        cls.failed = [each["@message"] + " " + str(each.get("diagnostic", {}).get("detail", "")) for each in said if each["@level"] == "error"]
        cls.passed = [each["test_run"]["run"] for each in said if each.get("test_run", {}).get("status") == "pass"]
        cls.made = {each["@testrun"]: Made(each["test_state"]) for each in said if each["type"] == "test_state"}
        cls.status = answer.returncode
        cls.combinations = {name: made for name, made in cls.made.items() if name.count("_") == 2 and name.split("_")[0] in ("strict", "cheap")}

    def each(self):
        for name, made in self.combinations.items():
            self.at = name
            yield (*name.split("_"), made)

    def _formatMessage(self, message, standard):
        return f"{getattr(self, 'at', 'all')}: {super()._formatMessage(message, standard)}"

    def test_the_module_s_own_tests_pass(self):
        self.assertEqual((self.status, self.failed), (0, []))
        self.assertEqual(len(self.combinations), 8)
        self.assertIn("mistakes", self.passed)

    def test_every_kind_of_event_arrives(self):
        wanted = ["s3:LifecycleExpiration:*", "s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        for _, path, bucket, made in self.each():
            if bucket == "own":
                told = made.one("aws_s3_bucket_notification", "originals")
                by = told["queue"] if path == "sqs" else told["lambda_function"]
                self.assertEqual([sorted(each["events"]) for each in by], [wanted])
                self.assertEqual(told["queue"] + told["lambda_function"], by)
            else:
                self.assertEqual(made.all("aws_s3_bucket_notification"), {}, "it belongs to the bucket's owner")
                pattern = json.loads(made.one("aws_cloudwatch_event_rule", "originals")["event_pattern"])
                self.assertEqual(pattern["detail-type"], ["Object Created", "Object Deleted"])
                self.assertEqual(pattern["detail"]["bucket"], {"name": ["pictures"]})

    def test_an_existing_bucket_is_changed_in_nothing(self):
        for _, _, bucket, made in self.each():
            named = [each for each in made.resources if each["type"].startswith("aws_s3_bucket") and "pictures" in str(each["values"].get("bucket"))]
            self.assertEqual(named, [])
            self.assertEqual(len(made.all("aws_s3_bucket")), 2 if bucket == "own" else 1)

    def test_a_prefix_narrows_what_is_heard_and_read(self):
        told = self.made["strict_lambda_own"].one("aws_s3_bucket_notification", "originals")
        self.assertEqual([each["filter_prefix"] for each in told["lambda_function"]], ["photos/"])
        pattern = json.loads(self.made["strict_sqs_existing"].one("aws_cloudwatch_event_rule", "originals")["event_pattern"])
        self.assertEqual(pattern["detail"]["object"], {"key": [{"prefix": "photos/"}]})
        reads = [each for each in self.made["strict_sqs_existing"].roles()["render"] if each["Sid"] == "OriginalsRead"]
        self.assertEqual(reads[0]["Resource"], "arn:aws:s3:::pictures/photos/*")

    def test_queues_hide_six_times_the_timeout_and_lay_aside(self):
        for _, path, _, made in self.each():
            timeout = made.functions()["purge"]["timeout"]
            queues = made.all("aws_sqs_queue")
            self.assertEqual(len(queues), 3 if path == "sqs" else 2)
            dead = queues["dead"]
            for name, queue in queues.items():
                if name == "dead":
                    continue
                self.assertGreaterEqual(queue["visibility_timeout_seconds"], 6 * timeout)
                redrive = json.loads(queue["redrive_policy"])
                self.assertEqual(redrive["deadLetterTargetArn"], dead["arn"])
                self.assertGreaterEqual(redrive["maxReceiveCount"], 5)
                self.assertLess(queue["message_retention_seconds"], dead["message_retention_seconds"])
            allowed = json.loads(made.one("aws_sqs_queue_redrive_allow_policy", "dead")["redrive_allow_policy"])
            self.assertEqual(set(allowed["sourceQueueArns"]), {queue["arn"] for name, queue in queues.items() if name != "dead"})

    def test_batches_fail_in_part(self):
        for _, path, _, made in self.each():
            mappings = [each["values"] for each in made.resources if each["type"] == "aws_lambda_event_source_mapping"]
            self.assertEqual(len(mappings), 2 if path == "sqs" else 1)
            for mapping in mappings:
                self.assertEqual(mapping["function_response_types"], ["ReportBatchItemFailures"])
                self.assertTrue(mapping["batch_size"] <= 10 or mapping["maximum_batching_window_in_seconds"] >= 1)

    def test_only_the_bucket_may_tell(self):
        for _, path, bucket, made in self.each():
            source = "arn:aws:s3:::afterimage-originals-111122223333" if bucket == "own" else made.one("aws_cloudwatch_event_rule", "originals")["arn"]
            service = "s3.amazonaws.com" if bucket == "own" else "events.amazonaws.com"
            if path == "sqs":
                policies = [each["values"] for each in made.resources if each["type"] == "aws_sqs_queue_policy" and each["name"] == "events"]
                (statement,) = json.loads(policies[0]["policy"])["Statement"]
                self.assertEqual(statement["Principal"], {"Service": service})
                self.assertEqual(statement["Condition"]["ArnEquals"], {"aws:SourceArn": source})
                self.assertEqual(statement["Condition"].get("StringEquals"), {"aws:SourceAccount": ACCOUNT} if bucket == "own" else None)
            else:
                (permission,) = [each["values"] for each in made.resources if each["type"] == "aws_lambda_permission" and each["values"]["principal"] != "cloudfront.amazonaws.com"]
                self.assertEqual((permission["principal"], permission["source_arn"]), (service, source))
                self.assertEqual(permission["source_account"], ACCOUNT if bucket == "own" else None)

    def test_cloudfront_has_both_permissions_and_nobody_else_has(self):
        for _, _, _, made in self.each():
            grants = [each["values"] for each in made.resources if each["type"] == "aws_lambda_permission" and each["values"]["function_name"] == "afterimage-render"]
            self.assertEqual(sorted(each["action"] for each in grants), ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"])
            for grant in grants:
                self.assertEqual((grant["principal"], grant["source_arn"]), ("cloudfront.amazonaws.com", DISTRIBUTION))
            url = made.one("aws_lambda_function_url", "render")
            self.assertEqual((url["authorization_type"], url["invoke_mode"]), ("AWS_IAM", "RESPONSE_STREAM"))
            access = made.one("aws_cloudfront_origin_access_control", "render")
            self.assertEqual((access["origin_access_control_origin_type"], access["signing_behavior"]), ("lambda", "always"))

    def test_roles_never_change_originals(self):
        for _, _, bucket, made in self.each():
            arn = "arn:aws:s3:::" + ("afterimage-originals-111122223333" if bucket == "own" else "pictures")
            for name, statements in made.roles().items():
                denied = [each for each in statements if each["Effect"] == "Deny"]
                self.assertEqual(len(denied), 1, name)
                self.assertEqual(denied[0]["Resource"], [arn, f"{arn}/*"])
                self.assertLessEqual({"s3:Delete*", "s3:Put*"}, set(denied[0]["Action"]))
                for each in statements:
                    about = [which for which in listed(each["Resource"]) if which.startswith(arn)]
                    if each["Effect"] == "Allow" and about:
                        self.assertTrue(all(action.split(":")[1].startswith(("Get", "List")) for action in listed(each["Action"])), each)

    def test_roles_reach_what_is_theirs_alone(self):
        for _, _, _, made in self.each():
            ours = [entry["values"].get("arn") for entry in made.resources]
            for name, statements in made.roles().items():
                for each in statements:
                    actions = listed(each["Action"])
                    for resource in listed(each["Resource"]):
                        self.assertNotIn(resource, ("*", "arn:aws:s3:::*"), each)
                        self.assertRegex(resource, r"^arn:aws:[a-z0-9]+:[a-z0-9-]*:[0-9]*:[A-Za-z0-9]")
                    if each["Effect"] == "Allow":
                        self.assertTrue(all("*" not in action for action in actions), each)
                        self.assertLessEqual({action.split(":")[0] for action in actions}, ALLOWED)
                    if any(action.startswith("cloudfront:") for action in actions):
                        self.assertEqual((each["Resource"], name in ("purge", "reconcile")), (DISTRIBUTION, True))
                    if any(action.startswith("logs:") for action in actions):
                        self.assertEqual(each["Resource"], f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/afterimage-{name}:*")
                    if any(action.startswith("sqs:") for action in actions):
                        self.assertLessEqual(set(listed(each["Resource"])), set(ours))
            self.assertFalse([each for each in made.roles()["render"] if "cloudfront" in str(each)])
            says = [each for each in made.roles()["render"] if "sqs" in str(each)]
            later = made.one("aws_sqs_queue", "later")["arn"]
            self.assertEqual([(listed(each["Action"]), listed(each["Resource"])) for each in says], [(["sqs:SendMessage"], [later])])
            self.assertFalse([each for each in made.roles()["reconcile"] if "sqs:ReceiveMessage" in each["Action"]])

    def test_the_distribution_keeps_what_it_may(self):
        for mode, _, _, made in self.each():
            policy = made.one("aws_cloudfront_cache_policy", "pictures")
            self.assertEqual(policy["min_ttl"], 0)
            (key,) = policy["parameters_in_cache_key_and_forwarded_to_origin"]
            self.assertFalse(key["enable_accept_encoding_gzip"] or key["enable_accept_encoding_brotli"])
            said = [key["query_strings_config"][0]["query_string_behavior"], key["headers_config"][0]["header_behavior"], key["cookies_config"][0]["cookie_behavior"]]
            self.assertEqual(said, ["none"] * 3)
            edge = made.one("aws_cloudfront_distribution", "edge")
            kept = {each["error_code"]: each["error_caching_min_ttl"] for each in edge["custom_error_response"]}
            self.assertLessEqual({403, 404, 500, 502, 503, 504}, set(kept))
            self.assertEqual(set(kept.values()), {1})
            self.assertTrue(all(not each["response_page_path"] for each in edge["custom_error_response"]))
            (behaviour,) = edge["default_cache_behavior"]
            self.assertEqual(behaviour["cache_policy_id"], policy["id"])
            self.assertEqual((behaviour["compress"], behaviour["viewer_protocol_policy"]), (False, "redirect-to-https"))
            self.assertEqual([each["event_type"] for each in behaviour["function_association"]], ["viewer-request"])
            self.assertEqual(edge["ordered_cache_behavior"], [])
            self.assertEqual((edge["http_version"], edge["is_ipv6_enabled"]), ("http2and3", True))
            (certificate,) = edge["viewer_certificate"]
            self.assertEqual((certificate["minimum_protocol_version"], certificate["ssl_support_method"]), ("TLSv1.2_2021", "sni-only"))
            self.assertTrue(all(each["origin_shield"][0]["origin_shield_region"] == "eu-central-1" for each in edge["origin"]))
            self.assertTrue(all(each["origin_access_control_id"] for each in edge["origin"]))
            origins = {each["origin_id"] for each in edge["origin"]}
            self.assertEqual(origins, {"render", "derivatives", "originals"} if mode == "cheap" else {"render"})
            groups = [([member["origin_id"] for member in each["member"]], sorted(each["failover_criteria"][0]["status_codes"])) for each in edge["origin_group"]]
            self.assertEqual(groups, [(["derivatives", "render"], [403, 404])] if mode == "cheap" else [])

    def test_what_is_for_the_edge_stays_there(self):
        for mode, _, _, made in self.each():
            policy = made.one("aws_cloudfront_response_headers_policy", "pictures")
            removed = [each["header"] for each in policy["remove_headers_config"][0]["items"]]
            self.assertIn("cache-tag", removed)
            self.assertEqual("x-amz-meta-original" in removed, mode == "cheap")
            self.assertLessEqual(len(removed), 10, "CloudFront takes no more")
            (behaviour,) = made.one("aws_cloudfront_distribution", "edge")["default_cache_behavior"]
            self.assertEqual(behaviour["response_headers_policy_id"], policy["id"])
            function = made.one("aws_cloudfront_function", "rewrite")
            self.assertEqual((function["runtime"], function["publish"], len(function["key_value_store_associations"])), ("cloudfront-js-2.0", True, 1))

    def test_pages_of_others_may_read_what_a_bucket_answers_as_what_the_function_answers(self):
        for mode, _, _, made in self.each():
            policy = made.one("aws_cloudfront_response_headers_policy", "pictures")
            parts = [policy["cors_config"], policy["security_headers_config"], policy["custom_headers_config"]]
            if mode == "strict":
                self.assertEqual(parts, [[], [], []], "the function says it")
                continue
            ((cors,), (security,), (custom,)) = parts
            self.assertEqual((cors["access_control_allow_origins"][0]["items"], cors["origin_override"]), (["*"], False))
            self.assertFalse(cors["access_control_allow_credentials"])
            self.assertTrue(security["content_type_options"][0]["override"])
            added = {each["header"]: (each["value"], each["override"]) for each in custom["items"]}
            self.assertEqual(added, {"Cross-Origin-Resource-Policy": ("cross-origin", False), "Timing-Allow-Origin": ("*", False)})

    def test_buckets_are_private(self):
        for mode, _, bucket, made in self.each():
            names = {"derivatives", "originals"} if bucket == "own" else {"derivatives"}
            blocks = made.all("aws_s3_bucket_public_access_block")
            self.assertEqual(set(blocks), names)
            for block in blocks.values():
                self.assertTrue(all(block[which] for which in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")))
            self.assertEqual(made.all("aws_s3_bucket_versioning"), {})
            for name in names:
                statements = made.statements("aws_s3_bucket_policy", name)
                self.assertEqual([each["Effect"] for each in statements if each["Principal"] == "*"], ["Deny"])
                for each in statements:
                    if each["Principal"] != "*":
                        self.assertEqual((mode, each["Action"], each["Condition"]), ("cheap", "s3:GetObject", {"StringEquals": {"AWS:SourceArn": DISTRIBUTION}}))
            if mode == "cheap":
                denied = [each["Resource"] for each in made.statements("aws_s3_bucket_policy", "derivatives") if each["Sid"] == "RecordsStayHere"]
                self.assertEqual(denied, [f"arn:aws:s3:::afterimage-derivatives-{ACCOUNT}/-/*"])
            rules = made.one("aws_s3_bucket_lifecycle_configuration", "derivatives")["rule"]
            # Records lie below "-/": no rule that lets something expire is about them.
            expiring = [(each["expiration"][0]["days"], each["filter"][0]["prefix"]) for each in rules if each["expiration"]]
            self.assertEqual(expiring, [(90, "derivatives/")])
            self.assertEqual([each["abort_incomplete_multipart_upload"][0]["days_after_initiation"] for each in rules if each["abort_incomplete_multipart_upload"]], [1])

    def test_functions_are_told_what_the_module_says_it_tells(self):
        own = re.search(r"settings_of_module = \[(.*?)\]", (MODULE / "locals.tf").read_text(), re.S)[1]
        own = {"AFTERIMAGE_" + name.upper().replace(".", "_") for name in re.findall(r'"([a-z0-9_.]+)"', own)}
        given = set()
        for made in [*self.combinations.values(), self.made["plain"]]:
            for name, function in made.functions().items():
                variables = function["environment"][0]["variables"]
                self.assertEqual(variables.pop("AFTERIMAGE_HTTP_BROWSER_AGE"), "5m")
                given |= set(variables)
                self.assertEqual("AFTERIMAGE_SERVER_TRUST" in variables, name == "render")
                cheap = "kept-or-made" in str(made.one("aws_cloudfront_distribution", "edge")["origin_group"])
                self.assertEqual(variables.get("AFTERIMAGE_DERIVATIVES_COPIES"), "true" if cheap and name == "render" else None)
                self.assertEqual("AFTERIMAGE_CDN" in variables, name != "render")
                later = made.one("aws_sqs_queue", "later")["url"]
                self.assertEqual(variables["AFTERIMAGE_LAMBDA_LATER_QUEUE"], later)
                self.assertLess(sum(len(key) + len(value) for key, value in variables.items()), 1000)
        self.assertEqual(given, own)

    def test_settings_exist(self):
        known = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", (ROOT / "docs/reference/settings.md").read_text(), re.M))
        text = (MODULE / "locals.tf").read_text()
        named = set(re.findall(r'^    "([a-z_]+\.[a-z_]+|cdn)"\s*=', text, re.M))
        self.assertGreater(len(named), 6)
        # The functions' own queue is a setting of theirs.
        self.assertEqual(named - known, set())
        groups = {name.split(".")[0] for name in known}
        without = re.search(r"groups_without_server = \[(.*?)\]", text)[1]
        self.assertLessEqual(set(re.findall(r'"(\w+)"', without)), groups)

    def test_functions_run_what_is_built_for_them(self):
        for _, _, _, made in self.each():
            for name, function in made.functions().items():
                self.assertEqual((function["runtime"], function["handler"]), ("provided.al2023", "bootstrap"))
                self.assertTrue(function["filename"].endswith(f"/{name}.zip"))
                self.assertNotIn("$LATEST", json.dumps(function))
                self.assertEqual(function["function_name"], f"afterimage-{name}")
                group = made.all("aws_cloudwatch_log_group")[name]
                self.assertEqual((group["name"], group["retention_in_days"]), (f"/aws/lambda/afterimage-{name}", 30))
            render = made.functions()["render"]
            edge = made.one("aws_cloudfront_distribution", "edge")
            (wait,) = [each["custom_origin_config"][0]["origin_read_timeout"] for each in edge["origin"] if each["origin_id"] == "render"]
            self.assertTrue(render["timeout"] <= wait <= 60)

    def test_people_are_told(self):
        for _, path, _, made in self.each():
            alarms = made.all("aws_cloudwatch_metric_alarm")
            wanted = {"dead-letters", "purge-errors", "purge-throttles", "later-age", "render-5xx", "render-throttles", "reconcile-errors", "reconcile_idle"}
            self.assertEqual(set(alarms), wanted | ({"events-age"} if path == "sqs" else set()))
            self.assertEqual(alarms["reconcile_idle"]["treat_missing_data"], "breaching")
            self.assertEqual((alarms["dead-letters"]["threshold"], alarms["dead-letters"]["comparison_operator"]), (0, "GreaterThanThreshold"))
            self.assertEqual(alarms["dead-letters"]["dimensions"], {"QueueName": "afterimage-dead"})
            for config in made.all("aws_lambda_function_event_invoke_config").values():
                self.assertEqual(config["destination_config"][0]["on_failure"][0]["destination"], made.one("aws_sqs_queue", "dead")["arn"])

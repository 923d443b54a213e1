"""A bucket that the published edge functions wrote into is taken over, with the commands of docs/operating/from-lambda-edge.md as
they are printed there: every derivative goes, no original does, and what changes meanwhile stays."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time
import unittest

import bucket as running

GUIDE = running.ROOT / "docs/operating/from-lambda-edge.md"
PICTURE = (running.ROOT / "examples/pictures/museum.jpg").read_bytes()
BUCKET = "my-pictures"
ORIGINALS = ["image/museum.jpg", "image/a b+é.jpg", "photos/100x100/a.jpg", "a-200x200.jpg", "i/deep/er/b.JPG"]


def commands(path):
    """What a page tells people to run of ours, by its subcommand and options."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(), re.S)
    lines = [line.split("  #")[0].strip() for line in "".join(blocks).replace("\\\n", " ").splitlines()]
    return [shlex.split(line.replace("target/release/", "")) for line in lines if "afterimage" in line.split(" ")[0]]


class Adopt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ministack = running.Ministack()
        cls.addClassCleanup(cls.ministack.stop)
        cls.s3, cls.cloudfront = cls.ministack.s3, cls.ministack.client("cloudfront")
        cls.made = {}

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.home = pathlib.Path(temporary.name)
        (self.home / ".aws").mkdir()
        keys = f"aws_access_key_id = {running.KEYS['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = test\n"
        (self.home / ".aws/credentials").write_text(f"[default]\n{keys}\n[adopt]\n{keys}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AFTERIMAGE_", "AWS_"))}
        self.environment = {
            **kept,
            "HOME": str(self.home),
            "AWS_REGION": "us-east-1",
            "AFTERIMAGE_S3_ENDPOINT": self.ministack.endpoint,
            "AFTERIMAGE_S3_PATH_STYLE": "true",
        }
        self.s3.create_bucket(Bucket=BUCKET)
        self.addCleanup(self.empty)

    def empty(self):
        versions = self.s3.list_object_versions(Bucket=BUCKET)
        for one in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
            self.s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
        for key in self.ministack.keys(BUCKET):
            self.s3.delete_object(Bucket=BUCKET, Key=key)
        self.s3.delete_bucket(Bucket=BUCKET)

    def render(self, side, kind):
        if (side, kind) not in self.made:
            source, made = self.home / "source.jpg", self.home / f"made.{kind}"
            source.write_bytes(PICTURE)
            size = f"w={side}&h={side}&fit=crop&fm={kind}"
            command = [os.environ["AFTERIMAGE_BIN"], "render", str(source), "-o", str(made), size]
            subprocess.run(command, env=self.environment, check=True, capture_output=True)
            self.made[side, kind] = made.read_bytes()
        return self.made[side, kind]

    def original(self, key):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE, ContentType="image/jpeg")

    def derive(self, key, side, webp=False, article=False):
        """What the functions write when somebody asks for a size."""
        folder, _, name = key.rpartition("/")
        kind = "webp" if webp else name.rsplit(".")[-1]
        parts = [folder, f"{side}x{side}"] + ([] if article else [kind]) + [name]
        derived = "/".join(part for part in parts if part)
        media_type = f"image/{'jpeg' if kind == 'jpg' else kind}"
        body = self.render(side, "webp" if webp else "jpg")
        self.s3.put_object(Bucket=BUCKET, Key=derived, Body=body, ContentType=media_type, CacheControl="max-age=31536000")
        return derived

    def fill(self):
        """The keys of all derivatives, and of those whose original is gone."""
        derived, orphans = [], []
        for key in ORIGINALS:
            self.original(key)
            derived += [self.derive(key, side, webp) for side in (100, 200, 300) for webp in (False, True)]
            derived += [self.derive(key, 400, article=True)]
        derived.append(self.derive(derived[0], 200))
        self.original("image/lost.jpg")
        orphans += [self.derive("image/lost.jpg", side) for side in (100, 200)]
        self.s3.delete_object(Bucket=BUCKET, Key="image/lost.jpg")
        return derived, orphans

    def run_it(self, command):
        command = [os.environ["AFTERIMAGE_BIN"], *command[1:]]
        return subprocess.run(command, env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=120)

    def printed(self, *words):
        """The command of the guide that has all these words."""
        found = [command for command in commands(GUIDE) if all(word in command for word in words)]
        self.assertEqual(len(found), 1, (words, found))
        return found[0]

    def plan(self):
        return [json.loads(line) for line in (self.home / "plan.jsonl").read_text().splitlines()[1:]]

    def digest(self, looked):
        return re.search(r"--digest ([0-9a-f]{64})", looked)[1]

    def confirm(self, command, digest):
        return self.run_it([digest if word == "DIGEST" else word for word in command])

    def left(self):
        return sorted(self.ministack.keys(BUCKET))

    def test_the_readme_says_the_same(self):
        said = [command for command in commands(running.ROOT / "README.md") if "--adopt" in command]
        self.assertEqual(len(said), 2)
        for command in said:
            self.assertIn(command, commands(GUIDE))

    def test_as_the_guide_prints_it(self):
        derived, orphans = self.fill()
        looked = self.run_it(self.printed("--plan", "plan.jsonl"))
        self.assertEqual(looked.returncode, 0, looked.stderr)
        self.assertIn(f"{len(derived)} derivatives whose original is there", looked.stdout)
        self.assertEqual(sorted(line["key"] for line in self.plan() if line["do"] == "delete"), sorted(derived))
        self.assertEqual(sorted(line["key"] for line in self.plan() if line["kind"] == "orphan"), orphans)
        unclear = [line for line in self.plan() if line["kind"] == "unclear"]
        self.assertEqual([line["key"] for line in unclear], ["photos/100x100/a.jpg"])
        self.assertIn("too large for 100x100 pixels", " ".join(unclear[0]["why"]))
        before = self.left()

        again = self.run_it(self.printed("--plan", "plan.jsonl"))
        self.assertEqual(again.returncode, 2, "a plan is not written over")
        confirm = self.printed("--confirm", "--profile")
        for digest in ("0" * 64, self.digest(looked.stdout)[:-1] + "x"):
            refused = self.confirm(confirm, digest)
            self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertEqual(self.left(), before, "nothing goes without the digest")

        # Somebody overwrites one, with the very same bytes: what tells it is the second.
        time.sleep(1.1)
        self.derive(ORIGINALS[0], 300)
        done = self.confirm(confirm, self.digest(looked.stdout))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("1 have changed since they were looked at, and stay", done.stdout)
        stays = "image/300x300/jpg/museum.jpg"
        self.assertEqual(self.left(), sorted([*ORIGINALS, *orphans, stays]))
        results = [json.loads(line) for line in (self.home / "plan.jsonl.results").read_text().splitlines()[1:]]
        self.assertEqual(sum(result["did"] == "deleted" for result in results), len(derived) - 1)
        self.assertEqual([result["key"] for result in results if result["did"] == "changed"], [stays])
        self.assertIn("keys: cloudfront:", done.stdout)
        self.assertIn("all: cloudfront: 1 item(s) by wildcard, in 1 wave(s), $0.005 at most", done.stdout)

        # What changed and the orphans, by a second plan.
        (self.home / "plan.jsonl").unlink()
        (self.home / "plan.jsonl.results").unlink()
        looked = self.run_it([*self.printed("--plan", "plan.jsonl"), "--orphans"])
        done = self.confirm(confirm, self.digest(looked.stdout))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.left(), sorted(ORIGINALS), "nothing is left behind, and every original is there")
        for key in ORIGINALS:
            self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(), PICTURE)

    def test_the_caches_in_front_are_told(self):
        origin = {"Id": "s3", "DomainName": "b.example", "CustomOriginConfig": {
            "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}
        behaviour = {"TargetOriginId": "s3", "ViewerProtocolPolicy": "allow-all",
                     "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
        made = self.cloudfront.create_distribution(DistributionConfig={
            "CallerReference": "adopt", "Comment": "", "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]}, "DefaultCacheBehavior": behaviour})
        distribution = made["Distribution"]["Id"]
        (self.home / "afterimage.toml").write_text(
            f'[[cdn]]\nname = "cloudfront"\nkind = "cloudfront"\ndistribution = "{distribution}"\n'
            f'endpoint = "{self.ministack.endpoint}"\n')
        self.fill()
        looked = self.run_it(self.printed("--plan", "plan.jsonl"))
        done = self.confirm(self.printed("--confirm", "--invalidate"), self.digest(looked.stdout))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("cloudfront has forgotten", done.stdout)
        listed = self.cloudfront.list_invalidations(DistributionId=distribution)["InvalidationList"]["Items"]
        told = [self.cloudfront.get_invalidation(DistributionId=distribution, Id=one["Id"]) for one in listed]
        items = [item for one in told for item in one["Invalidation"]["InvalidationBatch"]["Paths"]["Items"]]
        self.assertEqual(sorted(items), ["/*"], "an original at the root: its folder is everything")

    def test_where_versions_are_kept_none_of_a_derivative_stays(self):
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.original("image/museum.jpg")
        derived = self.derive("image/museum.jpg", 100)
        self.derive("image/museum.jpg", 100)
        hidden = self.derive("image/museum.jpg", 200)
        self.s3.delete_object(Bucket=BUCKET, Key=hidden)
        looked = self.run_it(self.printed("--plan", "plan.jsonl"))
        self.assertEqual(looked.returncode, 0, looked.stderr)
        self.assertEqual([line["key"] for line in self.plan() if line["do"] == "delete"], [derived, hidden])
        done = self.confirm(self.printed("--confirm", "--profile"), self.digest(looked.stdout))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        versions = self.s3.list_object_versions(Bucket=BUCKET)
        self.assertEqual([one["Key"] for one in versions["Versions"]], ["image/museum.jpg"])
        self.assertNotIn("DeleteMarkers", versions)

    def test_a_folder_that_the_bucket_was_copied_to(self):
        derived, orphans = self.fill()
        folder = self.home / "copy"
        for key in self.left():
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        there = ["--source" if word == "--source" else str(folder) if word.startswith("s3://") else word
                 for word in self.printed("--plan", "plan.jsonl")]
        looked = self.run_it(there)
        self.assertEqual(looked.returncode, 0, looked.stderr)
        command = ["afterimage", "reconcile", "--adopt", "dims", "--source", str(folder), "--confirm", "plan.jsonl"]
        done = self.run_it([*command, "--digest", self.digest(looked.stdout)])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        self.assertEqual(left, sorted([*ORIGINALS, *orphans]))

    def test_and_then_it_is_served_and_nothing_is_written_beside_the_originals(self):
        derived, _ = self.fill()
        self.s3.create_bucket(Bucket="my-pictures-derived")
        looked = self.run_it([*self.printed("--plan", "plan.jsonl"), "--orphans"])
        self.confirm(self.printed("--confirm", "--profile"), self.digest(looked.stdout))
        edge = running.Edge(self.ministack, f"s3://{BUCKET}", derivatives__url="s3://my-pictures-derived")
        self.addCleanup(edge.stop)
        status, body, _ = edge.ask("/image/museum.jpg?d=100")
        self.assertEqual((status, body[:2]), (200, b"\xff\xd8"))
        self.assertEqual(edge.ask("/photos/100x100/a.jpg?d=100")[0], 200, "an original that is called like a derivative")
        self.assertEqual(self.left(), sorted(ORIGINALS))

    def test_what_cannot_be_meant_is_refused(self):
        self.fill()
        before = self.left()
        source = ["afterimage", "reconcile", "--adopt", "dims", "--source", f"s3://{BUCKET}"]
        for command, code, words in [
            (source, 2, "--plan FILE to look"),
            ([*source, "--plan", "p", "--dry-run"], 2, "cannot be used with"),
            ([*source, "--orphans"], 2, "--plan"),
            (["afterimage", "reconcile", "--adopt", "dims", "--plan", "p"], 2, "which place?"),
            (["afterimage", "reconcile", "--adopt", "dims", "--source", "http://a.example/", "--plan", "p"], 2, "nothing can be deleted"),
            (["afterimage", "reconcile", "--source", f"s3://{BUCKET}", "--confirm", "p"], 2, "a plan is for --adopt"),
            ([*source, "--confirm", "nothing"], 2, "nothing"),
        ]:
            done = self.run_it(command)
            self.assertEqual(done.returncode, code, (command, done.stderr))
            self.assertIn(words, done.stderr, command)
        looked = self.run_it([*source, "--plan", "plan.jsonl"])
        self.assertEqual(looked.returncode, 0, looked.stderr)
        text = (self.home / "plan.jsonl").read_text()
        # A plan that was made to say more: an original's key in the place of a derivative's.
        forged = text.replace('"key":"image/100x100/jpg/museum.jpg"', '"key":"image/museum.jpg"')
        self.assertNotEqual(forged, text)
        (self.home / "forged.jsonl").write_text(forged)
        done = self.run_it([*source, "--confirm", "forged.jsonl", "--digest", self.digest(looked.stdout)])
        self.assertEqual(done.returncode, 2)
        self.assertIn("in neither layout", done.stderr)
        self.s3.create_bucket(Bucket="other-pictures")
        other = ["afterimage", "reconcile", "--adopt", "dims", "--source", "s3://other-pictures", "--confirm", "plan.jsonl"]
        self.assertIn("is about s3://my-pictures/", self.run_it([*other, "--digest", self.digest(looked.stdout)]).stderr)
        self.assertEqual(self.left(), before)


if __name__ == "__main__":
    unittest.main()

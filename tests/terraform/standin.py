"""What the tests put in place of the three functions: a bootstrap that writes down what it is told, and answers as they would."""

import io
import sys
import zipfile

SCRIPT = '''#!{python}
import json, os, urllib.request

api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as told:
        number = told.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(told)
    with open({book!r}, "a") as book:
        settings = {{name: value for name, value in os.environ.items() if name.startswith("AFTERIMAGE_")}}
        book.write(json.dumps({{"function": {name!r}, "event": event, "settings": settings}}) + "\\n")
    if {name!r} == "render":
        head = {{"statusCode": 200, "headers": {{"content-type": "image/webp", "cache-control": "max-age=60", "cache-tag": "o1"}}}}
        body = json.dumps(head).encode() + bytes(8) + b"a picture"
        headers = {{"Content-Type": "application/vnd.awslambda.http-integration-response", "Lambda-Runtime-Function-Response-Mode": "streaming"}}
    else:
        body, headers = json.dumps({{"batchItemFailures": []}}).encode(), {{}}
    urllib.request.urlopen(urllib.request.Request(api + number + "/response", data=body, headers=headers)).close()
'''


def package(name, book):
    """A package as make lambda makes them, with a stand-in within."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as package:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o100755 << 16
        package.writestr(entry, SCRIPT.format(python=sys.executable, name=name, book=str(book)))
    return kept.getvalue()

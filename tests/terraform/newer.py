"""A provider that has the schema of a newer AWS provider and nothing else: what validate and mocked tests ask of one.

Terraform's protocol for providers: https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol. The process with the
tests answers, by TF_REATTACH_PROVIDERS, so nothing has to be installed.
"""

import concurrent.futures
import json
import os
import pathlib
import tempfile

import grpc
from tf.gen import grpc_controller_pb2_grpc as controller
from tf.gen import tfplugin_pb2 as protocol
from tf.gen import tfplugin_pb2_grpc as service

(SCHEMA,) = pathlib.Path(__file__).parent.glob("aws-*.json")
NESTING = protocol.Schema.NestedBlock.NestingMode


def block(said):
    attributes = [
        protocol.Schema.Attribute(name=name, **{**facts, "type": json.dumps(facts["type"]).encode()})
        for name, facts in said.get("attributes", {}).items()
    ]
    blocks = [
        protocol.Schema.NestedBlock(
            type_name=name, block=block(within), nesting=NESTING.Value(within["nesting"].upper()),
            min_items=within.get("min", 0), max_items=within.get("max", 0),
        )
        for name, within in said.get("blocks", {}).items()
    ]
    return protocol.Schema.Block(attributes=attributes, block_types=blocks)


class Schema(service.ProviderServicer):
    """Everything that is asked beyond the schema is answered with: so be it."""

    def __init__(self, said):
        self.said = said

    def GetProviderSchema(self, request, context):
        schemas = {
            kind: {name: protocol.Schema(block=block(facts)) for name, facts in self.said[kind].items()} for kind in ("resource", "data")
        }
        region = {"attributes": {"region": {"type": "string", "optional": True}}}
        return protocol.GetProviderSchema.Response(
            provider=protocol.Schema(block=block(region)), resource_schemas=schemas["resource"], data_source_schemas=schemas["data"]
        )

    def ValidateProviderConfig(self, request, context):
        return protocol.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return protocol.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return protocol.ValidateDataResourceConfig.Response()


class Newer:
    """The provider, at work while this is open."""

    def __init__(self):
        said = json.loads(SCHEMA.read_text())
        self.version = said["provider"]
        self.home = tempfile.TemporaryDirectory()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        service.add_ProviderServicer_to_server(Schema(said), self.server)
        controller.add_GRPCControllerServicer_to_server(controller.GRPCControllerServicer(), self.server)
        socket = f"{self.home.name}/socket"
        self.server.add_insecure_port(f"unix://{socket}")
        self.server.start()
        here = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": {"Network": "unix", "String": socket}}
        self.surroundings = {"TF_REATTACH_PROVIDERS": json.dumps({"registry.terraform.io/hashicorp/aws": here})}

    def close(self):
        self.server.stop(0)
        self.home.cleanup()

#!/usr/bin/env python3
"""A gRPC client that knows nothing of Varve but its address: it learns the rest by reflection.

    call.py --address ADDRESS list
    call.py --address ADDRESS describe SERVICE
    call.py --address ADDRESS [-H 'name: value'] [-d JSON] SERVICE/METHOD

ADDRESS is unix:///PATH or 127.0.0.1:PORT. The words are grpcurl's, and so is the output, nearly.
"""

import argparse
import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("--address", required=True)
    parser.add_argument("verb")
    parser.add_argument("symbol", nargs="?")
    args = parser.parse_args()
    # For a socket grpcio would send the escaped path as :authority, which is none (RFC 3986, 3.2) and
    # which the server refuses.
    authority = [("grpc.default_authority", "localhost")]
    channel = grpc.insecure_channel(args.address.removeprefix("http://"), options=authority)
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    try:
        if args.verb == "list":
            print("\n".join(sorted(database.get_services())))
        elif args.verb == "describe":
            describe(pool.FindServiceByName(args.symbol))
        else:
            call(channel, pool, args)
    except grpc.RpcError as error:
        print(f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}", file=sys.stderr)
        return 1
    return 0


def describe(service) -> None:
    print(f"service {service.full_name} {{")
    for method in service.methods:
        asked = ("stream " if method.client_streaming else "") + method.input_type.full_name
        told = ("stream " if method.server_streaming else "") + method.output_type.full_name
        print(f"  rpc {method.name} ( {asked} ) returns ( {told} );")
    print("}")


def call(channel, pool, args) -> None:
    service, method = args.verb.rsplit("/", 1)
    method = pool.FindServiceByName(service).methods_by_name[method]
    asked, told = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    requests = [json_format.ParseDict(one, asked()) for one in documents(args.data)]
    metadata = [tuple(part.strip() for part in header.split(":", 1)) for header in args.headers]
    kind = ("stream" if method.client_streaming else "unary") + "_" + (
        "stream" if method.server_streaming else "unary"
    )
    invoke = getattr(channel, kind)(
        f"/{args.verb}",
        request_serializer=asked.SerializeToString,
        response_deserializer=told.FromString,
    )
    request = iter(requests) if method.client_streaming else requests[0]
    answers = invoke(request, metadata=metadata, timeout=60)
    for answer in answers if method.server_streaming else [answers]:
        print(json.dumps(json_format.MessageToDict(answer), indent=2))


def documents(text: str) -> list:
    """One or several JSON documents in a row, as grpcurl takes them."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


if __name__ == "__main__":
    sys.exit(main())

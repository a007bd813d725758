"""Classifies records through Headgate's typed gRPC API, as a scheduled action of a business system would.

Set HEADGATE_GRPC (host:port), HEADGATE_KEY and HEADGATE_MODEL. Generate the stubs with generate.sh first.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "stubs"))

import grpc  # noqa: E402
from headgate.llm.v1 import chat_pb2, message_pb2, sampling_pb2, tool_pb2  # noqa: E402
from headgate.router.v1 import router_pb2, router_pb2_grpc  # noqa: E402

import records  # noqa: E402


def prompt(text):
    """Returns what is asked about one text."""
    return chat_pb2.Prompt(
        system=records.SYSTEM,
        messages=[message_pb2.Message(
            role=message_pb2.ROLE_USER, parts=[message_pb2.Part(text=message_pb2.TextPart(text=text))])],
        sampling=sampling_pb2.Sampling(max_output_tokens=200),
        response_format=tool_pb2.ResponseFormat(
            kind=tool_pb2.RESPONSE_FORMAT_KIND_JSON_SCHEMA, name="category", schema=json.dumps(records.SCHEMA)),
    )


def classifier(stub, key, model):
    """Returns a function that asks about one record and returns the answer's text."""

    def classify(row):
        # x-request-id makes a call findable in logs and usage; tags say who pays; priority lets people go first.
        metadata = [
            ("authorization", "Bearer " + key), ("x-request-id", f"ticket-{row['id']}"),
            ("x-headgate-tags", "job=classify"), ("x-headgate-priority", "batch"),
        ]
        answer = stub.Chat(router_pb2.ChatRequest(model=model, prompt=prompt(row["text"])), metadata=metadata, timeout=60)
        parts = answer.completion.message.parts
        return "".join(part.text.text for part in parts)

    return classify


def main():
    """Classifies all records."""
    channel = grpc.insecure_channel(os.environ.get("HEADGATE_GRPC", "127.0.0.1:9090"))  # TLS off this machine
    stub = router_pb2_grpc.RouterServiceStub(channel)
    rows = records.records()
    done = records.run(classifier(stub, os.environ["HEADGATE_KEY"], os.environ.get("HEADGATE_MODEL", "gpt-5")), rows)
    for row in rows:
        print(row["id"], row["category"])
    return 0 if done == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())

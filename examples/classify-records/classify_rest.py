"""Classifies records through Headgate's native REST, with the standard library alone.

Set HEADGATE_URL, HEADGATE_KEY and HEADGATE_MODEL.
"""

import json
import os
import sys
import urllib.error
import urllib.request

import records


def classifier(url, key, model):
    """Returns a function that asks about one record and returns the answer's text."""

    def classify(row):
        body = {
            "model": model,
            "prompt": {
                "system": records.SYSTEM,
                "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": row["text"]}}]}],
                "sampling": {"max_output_tokens": 200},
                "response_format": {
                    "kind": "RESPONSE_FORMAT_KIND_JSON_SCHEMA", "name": "category", "schema": json.dumps(records.SCHEMA)},
            },
        }
        request = urllib.request.Request(url + "/api/v1/chat", json.dumps(body).encode(), {
            "Authorization": "Bearer " + key, "Content-Type": "application/json", "X-Request-Id": f"ticket-{row['id']}",
            "X-Headgate-Tags": "job=classify", "X-Headgate-Priority": "batch"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error).get("message", error.reason)) from None
        parts = answer["completion"]["message"]["parts"]
        return "".join(part["text"]["text"] for part in parts if "text" in part)

    return classify


def main():
    """Classifies all records."""
    rows = records.records()
    url = os.environ.get("HEADGATE_URL", "http://127.0.0.1:8080")
    done = records.run(classifier(url, os.environ["HEADGATE_KEY"], os.environ.get("HEADGATE_MODEL", "gpt-5")), rows)
    for row in rows:
        print(row["id"], row["category"])
    return 0 if done == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs both scripts against a Headgate. See test.sh."""

import json
import os
import unittest
import urllib.request

import classify_grpc
import classify_rest
import grpc
import records
from headgate.router.v1 import router_pb2_grpc

URL, KEY = os.environ["HEADGATE_URL"], os.environ["HEADGATE_KEY"]


class ClassifyTest(unittest.TestCase):
    def classify(self, classifier):
        rows, said = records.records(), []
        self.assertEqual(records.run(classifier, rows, said.append), len(rows), said)
        for row in rows:
            self.assertIn(row["category"], records.CATEGORIES)
        self.assertEqual(records.run(classifier, rows, said.append), 0, "what has a category isn't asked about again")

    def grpc(self, model="gpt-5", key=KEY):
        channel = grpc.insecure_channel(os.environ["HEADGATE_GRPC"])
        self.addCleanup(channel.close)
        return classify_grpc.classifier(router_pb2_grpc.RouterServiceStub(channel), key, model)

    def test_grpc(self):
        self.classify(self.grpc())

    def test_rest(self):
        self.classify(classify_rest.classifier(URL, KEY, "gpt-5"))

    def test_failures_stop_no_other_record(self):
        for classifier in (self.grpc(model="nobody-has-this"), classify_rest.classifier(URL, KEY, "nobody-has-this")):
            rows, said = records.records(), []
            self.assertEqual(records.run(classifier, rows, said.append), 1, "the rule sends the card home, whatever the model")
            self.assertEqual(len(said), len(rows) - 1)
            self.assertFalse([line for line in said if KEY in line or "4111" in line], "no key and no text in what is logged")

    def test_usage_names_the_job(self):
        records.run(self.grpc(), records.records())
        request = urllib.request.Request(
            URL + "/api/v1/usage?group_by=GROUP_TAG&tag_name=job", headers={"Authorization": "Bearer " + KEY})
        for _ in range(50):
            with urllib.request.urlopen(request, timeout=20) as response:
                if "classify" in json.dumps(json.load(response)):
                    return
        self.fail("the job isn't in the usage")


if __name__ == "__main__":
    unittest.main()

"""What both scripts have in common: records of a business system, and what is asked about each.

In Odoo these are `env["helpdesk.ticket"].search([("category", "=", False)], limit=200)`, and the scheduled action
writes back with `ticket.category = ...` and commits after each record.
"""

import json

CATEGORIES = ["billing", "delivery", "defect", "other"]

SYSTEM = "You sort customers' messages for a small shop. Answer with the category that fits best."

# What the answer has to look like. Headgate translates it for each provider.
SCHEMA = {
    "type": "object",
    "properties": {"category": {"type": "string", "enum": CATEGORIES}},
    "required": ["category"],
    "additionalProperties": False,
}


def records():
    """Returns the records that have no category yet."""
    texts = [
        "I was charged twice for order 4711.",
        "The parcel should have been here on Monday.",
        "The handle came off after two days.",
        "My card 4111 1111 1111 1111 was declined, please try again.",
    ]
    return [{"id": number, "text": text, "category": None} for number, text in enumerate(texts, 1)]


def category(answer):
    """Reads an answer; anything but a known category is an error, never a guess."""
    found = json.loads(answer).get("category")
    if found not in CATEGORIES:
        raise ValueError("the answer names no known category")
    return found


def run(classify, rows, log=print):
    """Asks about each record by itself: one that fails is left for the next run and stops no other."""
    done = 0
    for row in rows:
        if row["category"]:
            continue
        try:
            row["category"] = category(classify(row))
            done += 1
        except Exception as error:  # whatever it is, the next record has its own chance
            log(f"record {row['id']}: {error}")
    return done

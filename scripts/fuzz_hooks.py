"""What scripts/fuzz adds to the requests that are drawn: so that many of them are taken, and something becomes of them.

An order drawn at random is nearly always refused, for a date in the past, a sum that does not add up, or a key and a number
that were drawn before. Three of four lose what makes them so. And a buyer goes about who pays every other payment, and lets the money of others be held.
"""

import json
import os
import random
import threading
import time
import urllib.request

import schemathesis

BANK = os.environ["BANK"]
# The library draws from a seed of its own, the same for every case: these draws must differ.
draw = random.SystemRandom()


@schemathesis.hook
def map_headers(context, headers):
    """Gives most requests an idempotency key of their own."""
    names = [name for name in headers or {} if name.lower() == "idempotency-key"]
    if names and draw.random() < 0.75:
        headers[names[0]] = f"fuzz-{draw.getrandbits(64):x}"
    return headers


@schemathesis.hook
def map_body(context, body):
    """Makes most orders such that they can be taken."""
    if not isinstance(body, dict) or "items" not in body or draw.random() < 0.25:
        return body
    for field in ("expires_at", "total", "success_url", "fail_url", "return_url"):
        body.pop(field, None)
    if "merchant_order_id" in body:
        body["merchant_order_id"] = f"F-{draw.getrandbits(64):x}"
    for item in body["items"] if isinstance(body["items"], list) else []:
        if isinstance(item, dict) and "price" in item and "quantity" in item:
            item.update(price=draw.choice(["0.01", "129.90", "1000"]), quantity=draw.choice(["1", "0.355"]))
    return body


def buyer():
    """Pays what there is to pay."""
    while True:
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(f"{BANK}/sandbox/ledger", timeout=5) as answer:
                ledger = json.load(answer)
            for place, order in enumerate(ledger):
                if order["status"] == "created" and place % 4 != 3:
                    act = "hold" if place % 4 == 2 else "pay"
                    page = urllib.request.Request(f"{BANK}/order/{order['container']}/{act}", method="POST")
                    urllib.request.urlopen(page, timeout=5)
        except OSError:
            continue  # the page leads to a shop that is not there


threading.Thread(target=buyer, daemon=True).start()

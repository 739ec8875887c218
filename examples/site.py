#!/usr/bin/env python3
"""A site that takes a payment through tillgate and verifies its callback.

Run it where `tillgate init --site shop` has written tillgate.toml, and open
http://127.0.0.1:8000. Needs Python 3.11 and nothing else.
"""
import base64, hashlib, hmac, json, os, time, tomllib, urllib.request, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("PORT", "8000"))
CONFIG = tomllib.load(open("tillgate.toml", "rb"))
SHOP = CONFIG["merchants"]["shop"]
TILLGATE = CONFIG.get("public_url", "http://" + CONFIG["listen"])
SECRET = base64.b64decode(SHOP["callback_secret"].removeprefix("whsec_"))


def place_order():
    """Places an order, and returns the address where its buyer pays."""
    number = "A-" + uuid.uuid4().hex[:8]
    tea = {"sku": "42", "name": "Чай", "quantity": "1", "price": "99.90", "vat": "RUS_VAT10"}
    order = {"merchant_order_id": number, "items": [tea], "success_url": f"http://127.0.0.1:{PORT}/thanks"}
    headers = {"Authorization": "Bearer " + SHOP["api_key"], "Idempotency-Key": number}
    request = urllib.request.Request(TILLGATE + "/v1/orders", json.dumps(order).encode(), headers)
    return json.load(urllib.request.urlopen(request, timeout=10))["payment"]["url"]


def is_signed(headers, body):
    """Verifies a callback by Standard Webhooks, over the bytes as they came."""
    stamp = headers.get("webhook-timestamp", "0")
    signed = f"{headers.get('webhook-id')}.{stamp}.".encode() + body
    right = "v1," + base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split()
    is_recent = stamp.isdecimal() and abs(time.time() - int(stamp)) < 300
    return is_recent and any(hmac.compare_digest(right, signature) for signature in given)


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/buy":
            return self.answer(303, Location=place_order())
        self.answer(200, b'<a href="/buy">Buy tea</a>' if self.path == "/" else b"Thank you!")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not is_signed(self.headers, body):
            return self.answer(401)
        event = json.loads(body)
        if event["type"] == "payment.succeeded":  # it may come twice: mark the order paid once
            print("paid:", event["data"]["merchant_order_id"], event["data"]["total"]["amount"], flush=True)
        self.answer(204)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", PORT), Site).serve_forever()

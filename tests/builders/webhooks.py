"""WhatsApp webhooks as the provider sends them: bodies, and the signed request over real HTTP."""

import hashlib
import hmac
import http.client
import itertools
import json
from datetime import datetime
from urllib.parse import urlsplit

from tests.builders.contacts import NOW

SECRET = "app-secret-of-the-tests"
_ids = itertools.count(1)


def seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def text(body, *, phone="84901230001", bsuid="", at=NOW, wamid="", **more):
    """One inbound text as it stands in `messages[]`; without a phone the keys are absent, as with username users."""
    message = {"id": wamid or f"wamid.IN{next(_ids)}", "timestamp": seconds(at), "type": "text", "text": {"body": body}}
    if phone:
        message["from"] = phone
    if bsuid:
        message["from_user_id"] = bsuid
    return message | more


def status(wamid, state, *, at=NOW, ref="", phone="84901230001", **more):
    """One item of `statuses[]`."""
    item = {"id": wamid, "status": state, "timestamp": seconds(at)}
    if phone:
        item["recipient_id"] = phone
    if ref:
        item["biz_opaque_callback_data"] = ref
    return item | more


def failure(wamid, code, title="failed", **more):
    return status(wamid, "failed", errors=[{"code": code, "title": title, "message": title}], **more)


def people(*messages, name="Lan"):
    """The `contacts[]` that go with messages."""
    found = []
    for message in messages:
        person = {"profile": {"name": name}}
        if "from" in message:
            person["wa_id"] = message["from"]
        if "from_user_id" in message:
            person["user_id"] = message["from_user_id"]
        if person not in found:
            found.append(person)
    return found


def change(account, field="messages", **value):
    """One `changes[]` item of an account."""
    metadata = {"display_phone_number": account.display_number.lstrip("+"), "phone_number_id": account.sender_id}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata} | value}


def body(account, *changes) -> bytes:
    """A whole body. ASCII with escapes, as the provider writes and signs it."""
    entry = {"id": account.business_account_id, "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode("ascii")


def messages(account, *items, **value) -> bytes:
    return body(account, change(account, contacts=people(*items), messages=list(items), **value))


def statuses(account, *items) -> bytes:
    return body(account, change(account, statuses=list(items)))


def signature(raw: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def post(server, raw: bytes, *, path="/webhooks/whatsapp/", secret=SECRET, headers=None, method="POST") -> int:
    """Send it signed over HTTP; the status of the answer. `headers` add to or replace the usual ones."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    usual = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(raw, secret)}
    try:
        connection.request(method, path, raw, usual | (headers or {}))
        return connection.getresponse().status
    finally:
        connection.close()

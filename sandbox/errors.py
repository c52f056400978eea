"""Errors as the Graph API answers them: one envelope, a code to branch on, details to show."""

from __future__ import annotations

import secrets
from typing import Any

# code: (title, HTTP status). Source: Meta, "Cloud API error codes" and the 2026 changelogs.
TITLES: dict[int, tuple[str, int]] = {
    0: ("AuthException", 401),
    1: ("API Unknown", 400),
    2: ("API Service", 503),
    3: ("API Method", 500),
    4: ("API Too Many Calls", 400),
    10: ("Permission Denied", 403),
    33: ("Parameter value is not valid", 400),
    100: ("Invalid parameter", 400),
    190: ("Access token has expired", 401),
    200: ("API Permission", 403),
    368: ("Temporarily blocked for policies violations", 403),
    80007: ("Rate limit issues", 400),
    130429: ("Rate limit hit", 429),
    130472: ("User's number is part of an experiment", 400),
    130497: ("Business account is restricted from messaging users in this country", 403),
    131000: ("Something went wrong", 500),
    131005: ("Access denied", 403),
    131008: ("Required parameter is missing", 400),
    131009: ("Parameter value is not valid", 400),
    131016: ("Service unavailable", 503),
    131021: ("Recipient cannot be sender", 400),
    131026: ("Message undeliverable", 400),
    131030: ("Recipient phone number not in allowed list", 400),
    131031: ("Account has been locked", 403),
    131037: ("WhatsApp provided number needs display name approval before message can be sent", 400),
    131042: ("Business eligibility payment issue", 400),
    131045: ("Incorrect certificate", 500),
    131047: ("Re-engagement message", 400),
    131048: ("Spam rate limit hit", 400),
    131049: ("This message was not delivered to maintain healthy ecosystem engagement", 400),
    131050: ("User has stopped marketing messages from this business", 400),
    131051: ("Unsupported message type", 400),
    131052: ("Media download error", 400),
    131053: ("Media upload error", 400),
    131056: ("(Business Account, Consumer Account) pair rate limit hit", 400),
    131057: ("Account in maintenance mode", 500),
    131062: ("Business-scoped user ID recipients are not supported for this message", 400),
    131063: ("Marketing templates are disabled on Cloud API for this account", 400),
    131064: ("Messaging limit lowered", 400),
    132000: ("Number of parameters does not match the expected number of params", 400),
    132001: ("Template name does not exist in the translation", 404),
    132005: ("Translated text too long", 400),
    132007: ("Template content policy violated", 400),
    132008: ("Parameter value is not valid", 400),
    132012: ("Parameter format does not match format in the created template", 400),
    132015: ("Template is paused", 400),
    132016: ("Template is disabled", 400),
    132018: ("Template parameters contain characters that are not allowed", 400),
    133004: ("Server temporarily unavailable", 503),
    133010: ("Phone number not registered", 400),
    133015: ("Please wait a few minutes before attempting to register this phone number", 400),
    134100: ("Only marketing messages supported", 400),
    134101: ("Template is being synchronised", 400),
    135000: ("Generic user error", 400),
    2388019: ("Message template limit exceeded", 400),
    2388039: ("Template header has a wrong format", 400),
    2388040: ("Template field is too long", 400),
    2388047: ("Template header format is incorrect", 400),
    2388072: ("Template body format is incorrect", 400),
    2388073: ("Template footer format is incorrect", 400),
    2388293: ("Too many variables for the length of the text", 400),
    2388299: ("Variables cannot be at the start or end of the template", 400),
}
TRANSIENT = frozenset({2, 4, 131000, 131016, 130429, 131056, 133004, 80007})


class GraphError(Exception):
    """One refusal. `details` names the field or value at fault, as Meta's `error_data.details` does."""

    def __init__(
        self,
        code: int,
        details: str = "",
        *,
        subcode: int | None = None,
        http: int | None = None,
        title: str | None = None,
    ) -> None:
        known, status = TITLES.get(code, ("Unknown error", 400))
        super().__init__(code)
        self.code, self.details, self.subcode = code, details, subcode
        self.title = title or known
        self.http = http or status

    def envelope(self) -> dict[str, Any]:
        """The HTTP body."""
        error: dict[str, Any] = {"message": f"(#{self.code}) {self.title}", "type": "OAuthException", "code": self.code}
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.code in TRANSIENT:
            error["is_transient"] = True
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
        return {"error": error}

    def in_webhook(self) -> dict[str, Any]:
        """The same error inside `statuses[].errors[]`."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details or self.title},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }


def unknown_object(object_id: str, method: str = "get") -> GraphError:
    """Meta answers 400, never 404, for an id that does not exist or that the token may not see."""
    return GraphError(
        100,
        f"Object with ID '{object_id}' does not exist, cannot be loaded due to missing permissions, or does not"
        " support this operation",
        subcode=33,
        title=f"Unsupported {method} request",
    )

"""REST: contacts, with what a withdrawn consent means for their conversations."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.api import ConsentEventSerializer, ConsentRecordSerializer
from contacts.api import ContactView as ContactsOwnView
from contacts.consent import consent_state
from contacts.models import Contact, Purpose
from conversations.services import contact_callbacks_stop


class ContactView(ContactsOwnView):
    """People. Addresses, names and attributes are masked for a key without personal_data:read."""

    @extend_schema(request=ConsentRecordSerializer, responses={201: ConsentEventSerializer})
    def consents_record(self, request: Request, pk: UUID) -> Response:
        """Add a line to the ledger: a grant, an expiry, or a withdrawal, which cancels planned marketing at once."""
        response = super().consents_record(request, pk)
        event = response.data
        contact = Contact.objects.get(pk=pk)
        if event["purpose"] == Purpose.MARKETING and (
            consent_state(contact, event["channel"], Purpose.MARKETING) == "withdrawn"
        ):
            contact_callbacks_stop(contact_id=pk, channel=event["channel"], at=self.now)
        return response

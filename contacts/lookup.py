"""Find a contact the way another system knows them."""

from django.db.models import QuerySet

from contacts.models import Address, Contact


def contacts_by_address(*, kind: str, value: str, portfolio_id: str = "") -> QuerySet[Contact]:
    """Contacts whose current address this is; a BSUID without its portfolio may match one per portfolio."""
    addresses = Address.objects.filter(kind=kind, value=value, superseded_at=None)
    if portfolio_id:
        addresses = addresses.filter(scope=portfolio_id)
    return Contact.objects.filter(pk__in=addresses.values("contact_id"))


def contacts_by_attribute(*, name: str, value: str) -> QuerySet[Contact]:
    """Contacts whose attribute `name` is this text, or the number it spells."""
    wanted = Contact.objects.filter(attributes__contains={name: value})
    if value.isascii() and value.isdigit() and len(value) <= 15:
        wanted |= Contact.objects.filter(attributes__contains={name: int(value)})
    return wanted

from datetime import UTC, datetime

import factory

from contacts.models import Address, Contact, consent_key

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)  # a Wednesday, 10:00 in Hà Nội


class ContactBuilder(factory.django.DjangoModelFactory[Contact]):
    """A reachable person in Hà Nội who agreed to marketing on WhatsApp."""

    class Meta:
        model = Contact
        skip_postgeneration_save = True

    display_name = factory.Sequence(lambda n: f"Lan {n}")
    language = "vi"
    country = "VN"
    time_zones = factory.LazyFunction(lambda: ["Asia/Ho_Chi_Minh"])
    consent_granted = factory.LazyFunction(lambda: [consent_key("whatsapp", "marketing")])


class PhoneBuilder(factory.django.DjangoModelFactory[Address]):
    class Meta:
        model = Address

    contact = factory.SubFactory(ContactBuilder)
    channel = "whatsapp"
    kind = Address.Kind.PHONE
    value = factory.Sequence(lambda n: f"+849{n:08d}")
    first_seen_at = NOW
    last_seen_at = NOW

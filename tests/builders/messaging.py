import factory

from messaging.credentials import Credentials, credentials_write
from messaging.models import ChannelAccount, Template
from tests.builders.contacts import NOW


class AccountBuilder(factory.django.DjangoModelFactory[ChannelAccount]):
    class Meta:
        model = ChannelAccount
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Shop {n}")
    base_url = "http://127.0.0.1:1"
    sender_id = factory.Sequence(lambda n: f"8{n:014d}")
    business_account_id = factory.Sequence(lambda n: f"9{n:014d}")
    portfolio_id = factory.Sequence(lambda n: f"7{n:014d}")
    display_number = factory.Sequence(lambda n: f"+8428{n:07d}")

    @factory.post_generation
    def token(self, create, extracted, **kwargs):
        """`token="..."`: the account may send; without one nothing leaves the house."""
        if extracted:
            credentials_write(self, Credentials(access_token=extracted))


class TemplateBuilder(factory.django.DjangoModelFactory[Template]):
    class Meta:
        model = Template

    account = factory.SubFactory(AccountBuilder)
    provider_id = factory.Sequence(lambda n: f"7{n:08d}")
    name = factory.Sequence(lambda n: f"come_back_{n}")
    language = "vi"
    category = Template.Category.MARKETING
    status = Template.Status.APPROVED
    components = factory.LazyFunction(
        lambda: [{"type": "BODY", "text": "Chào {{1}}, quay lại nhé!", "example": {"body_text": [["Lan"]]}}]
    )
    synced_at = NOW

"""The sending side of every channel. Only `delivery.dispatch` may import this: the one door out (import-linter)."""

from django.utils.translation import gettext as _

from messaging.adapters.base import OutboundAdapter
from messaging.adapters.whatsapp.outbound import WhatsAppOutbound
from messaging.errors import UnknownChannelError

_OUTBOUND: dict[str, OutboundAdapter] = {"whatsapp": WhatsAppOutbound()}


def outbound_adapter(channel: str) -> OutboundAdapter:
    """The channel's sending side, or UnknownChannelError."""
    try:
        return _OUTBOUND[channel]
    except KeyError:
        raise UnknownChannelError(_("There is no channel of this name."), field="channel") from None

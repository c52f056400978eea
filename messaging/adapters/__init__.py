"""One adapter per channel: receiving and managing here; the sending side is `messaging.adapters.outbound`."""

from django.utils.translation import gettext as _

from messaging.adapters.base import InboundAdapter, ManagementAdapter
from messaging.adapters.whatsapp import management as whatsapp_management
from messaging.adapters.whatsapp.inbound import WhatsAppInbound
from messaging.errors import UnknownChannelError

_INBOUND: dict[str, InboundAdapter] = {"whatsapp": WhatsAppInbound()}
_MANAGEMENT: dict[str, ManagementAdapter] = {"whatsapp": whatsapp_management}


def inbound_adapter(channel: str) -> InboundAdapter:
    """The channel's receiving side, or UnknownChannelError."""
    try:
        return _INBOUND[channel]
    except KeyError:
        raise UnknownChannelError(_("There is no channel of this name."), field="channel") from None


def management_adapter(channel: str) -> ManagementAdapter:
    """The channel's managing side, or UnknownChannelError."""
    try:
        return _MANAGEMENT[channel]
    except KeyError:
        raise UnknownChannelError(_("There is no channel of this name."), field="channel") from None

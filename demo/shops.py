"""The two businesses of the story, in the words their marketers would use. Times are short; rules are not."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

PATIENCE = timedelta(seconds=14)


@dataclass(frozen=True, slots=True)
class Shop:
    """A business with one WhatsApp number and one campaign."""

    market: str  # the sandbox's name for the crowd that clicks
    account: dict[str, Any]  # of the channel account
    templates: tuple[dict[str, Any], ...]
    campaign: dict[str, Any]
    doors: tuple[dict[str, Any], ...]
    policy: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    bot: dict[str, str]  # what the shop's own bot answers, by language
    agent: dict[str, str]  # what a person at the desk answers
    late_text: str = ""  # what people wrote almost a day ago, whose window closes while we are still patient
    people: int = 120


JEWELLERY = Shop(
    market="hanoi-jewellery",
    account={
        "name": "Kim Hoàn Jewellery, Hà Nội",
        "sender_id": "800000000000001",
        "business_account_id": "900000000000001",
        "portfolio_id": "700000000000001",
        "display_number": "+842473000001",
    },
    templates=(
        {
            "name": "kim_hoan_giu_hang",
            "language": "vi",
            "category": "MARKETING",
            "components": [
                {
                    "type": "BODY",
                    "text": "Chào {{1}}, mẫu trang sức bạn hỏi vẫn được cửa hàng giữ cho bạn đến hết tuần.",
                    "example": {"body_text": [["Lan"]]},
                },
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Giữ giúp tôi"}]},
            ],
        },
    ),
    campaign={
        "name": "Nhẫn cưới mùa cưới 2026",
        "goal": "Bring couples who asked about wedding rings back to a fitting",
        "time_zone": "Asia/Ho_Chi_Minh",
        "language": "vi",
        "currency": "VND",
        "budget": "50000000",
        "holdout_percent": "12",
        "greeting": "Chào {{ contact.first_name }}! Kim Hoàn cảm ơn bạn đã nhắn. Bạn thích nhẫn vàng hay bạch kim ạ?",
    },
    doors=(
        {
            "kind": "ad",
            "name": "Quảng cáo nhẫn cưới",
            "consent_wording": "Khi nhắn tin, bạn đồng ý nhận ưu đãi của Kim Hoàn qua WhatsApp, tối đa 3 tin mỗi tuần.",
            "consent_version": "vi-1",
            "consent_per_week": 3,
        },
        {
            "kind": "link",
            "name": "Liên kết trên trang Facebook",
            "prefilled_text": "Chào Kim Hoàn, mình muốn xem nhẫn cưới",
            "consent_wording": "Khi nhắn tin, bạn đồng ý nhận ưu đãi của Kim Hoàn qua WhatsApp, tối đa 3 tin mỗi tuần.",
            "consent_version": "vi-1",
            "consent_per_week": 3,
        },
        # The poster promised nothing and asked for nothing: writing from here agrees to no marketing.
        {"kind": "qr", "name": "Áp phích ở cửa hàng", "prefilled_text": "Mình quét mã ở cửa hàng"},
    ),
    policy={"patience": PATIENCE, "window_margin": timedelta(0), "max_attempts": 3, "priority": 5},
    steps=(
        {
            "delay": timedelta(seconds=2),
            "text": "{{ contact.first_name | default: 'Bạn' }} ơi, bạn còn quan tâm mẫu nhẫn vừa hỏi không? "
            "Hôm nay cửa hàng tặng khắc tên miễn phí.",
            "buttons": [{"id": "yes", "title": "Còn quan tâm"}, {"id": "later", "title": "Để sau"}],
            "template_name": "kim_hoan_giu_hang",
            "template_language": "vi",
            "template_values": {"body.1": "{{ contact.first_name | default: 'bạn' }}"},
            "useful_for": timedelta(days=1),
        },
        {
            "delay": timedelta(seconds=20),
            "text": "Kim Hoàn giữ mẫu này cho bạn đến cuối tuần nhé.",
            "template_name": "kim_hoan_giu_hang",
            "template_language": "vi",
            "template_values": {"body.1": "{{ contact.first_name | default: 'bạn' }}"},
            "useful_for": timedelta(days=1),
        },
    ),
    bot={
        "vi": "Dạ vâng ạ! Bạn cho mình xin size tay và ngân sách dự kiến nhé?",
        "en": "Of course! May I have your ring size and the budget you have in mind?",
    },
    agent={
        "vi": "Chào bạn, mình là Hương, mình tư vấn trực tiếp cho bạn nhé.",
        "en": "Hello, this is Hương in person.",
    },
    late_text="Mình hỏi giá nhẫn hôm qua",
)

TELECOM = Shop(
    market="us-telecom-es",
    account={
        "name": "Telecom en español, US",
        "sender_id": "800000000000002",
        "business_account_id": "900000000000002",
        "portfolio_id": "700000000000001",
        "display_number": "+12025550143",
    },
    templates=(
        {
            "name": "linea_te_espera",
            "language": "es",
            "category": "MARKETING",
            "parameter_format": "NAMED",
            "components": [
                {
                    "type": "BODY",
                    "text": "Hola {{nombre}}, tu plan con llamadas a casa te espera con el primer mes gratis.",
                    "example": {"body_text_named_params": [{"param_name": "nombre", "example": "Ana"}]},
                },
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Lo quiero"}]},
            ],
        },
    ),
    campaign={
        "name": "Líneas en español, otoño 2026",
        "goal": "Win back people who asked about a plan and fell silent",
        "time_zone": "America/New_York",
        "language": "es-US",
        "currency": "USD",
        "budget": "4000",
        "holdout_percent": "12",
        "greeting": "¡Hola {{ contact.first_name }}! Gracias por escribirnos. ¿Cuántas líneas necesitas?",
    },
    doors=(
        {
            "kind": "ad",
            "name": "Anuncio llamadas a casa",
            "consent_wording": "Al escribirnos aceptas recibir ofertas por WhatsApp, como máximo 2 por semana.",
            "consent_version": "es-3",
            "consent_per_week": 2,
        },
        {"kind": "link", "name": "Enlace en la web", "prefilled_text": "Hola, quiero información del plan"},
        {"kind": "qr", "name": "Cartel en la tienda", "prefilled_text": "Hola, vi el cartel en la tienda"},
    ),
    policy={"patience": PATIENCE, "window_margin": timedelta(0), "max_attempts": 2, "priority": 0},
    steps=(
        {
            "delay": timedelta(seconds=3),
            "text": "{{ contact.first_name | default: 'Hola' }}, ¿seguimos? Tu primer mes es gratis esta semana.",
            "buttons": [{"id": "si", "title": "Sí, sigamos"}],
            "template_name": "linea_te_espera",
            "template_language": "es",
            "template_values": {"body.nombre": "{{ contact.first_name | default: 'amigo' }}"},
            "useful_for": timedelta(days=1),
        },
        {
            "delay": timedelta(seconds=22),
            "text": "Última llamada: el mes gratis termina el domingo.",
            "useful_for": timedelta(days=1),
        },
    ),
    bot={"es": "¡Perfecto! ¿Prefieres plan con o sin teléfono?", "en": "Great! Would you like a plan with a phone?"},
    agent={"es": "Hola, soy Marta, una persona de verdad. Te ayudo.", "en": "Hi, this is Marta, a real person."},
    late_text="Ayer pregunté por el plan",
)

SHOPS = (JEWELLERY, TELECOM)

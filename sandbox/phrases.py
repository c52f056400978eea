"""What invented people say, in Vietnamese, Spanish and English."""

from __future__ import annotations

NAMES = {
    "vi": (
        ("Lan", "Hương", "Minh", "Tuấn", "Thảo", "Hà", "Quang", "Ngọc", "Trang", "Đức", "Linh", "Phương", "Sơn", "Vy"),
        ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Ngô"),
    ),
    "es": (
        ("María", "José", "Lucía", "Andrés", "Sofía", "Diego", "Camila", "Íñigo", "Valeria", "Óscar", "Inés", "Raúl"),
        ("García", "Muñoz", "Peña", "Rodríguez", "Núñez", "Ibáñez", "Castaño", "López"),
    ),
    "en": (
        ("Emma", "Liam", "Olivia", "Noah", "Grace", "Ethan", "Ruby", "Jack", "Zoë", "Sam"),
        ("Parker", "Nguyen", "Brooks", "Tran", "Reed", "Ellis", "Hayes", "Cole"),
    ),
}
OPENING = {
    "hanoi-jewellery": {
        "vi": (
            "Shop ơi, nhẫn trong quảng cáo còn không ạ?",
            "Chào shop, cho mình hỏi giá nhẫn cưới 💍",
            "Bên mình có khắc tên không?",
        ),
        "en": (
            "Hi, is the ring from the ad still available?",
            "Hello! How much is the necklace?",
            "Do you ship abroad?",
        ),
        "es": ("Hola, ¿cuánto cuesta el anillo?",),
    },
    "us-telecom-es": {
        "es": ("Hola, quiero información del plan", "¿Cuánto cuesta el plan familiar?", "¿Puedo conservar mi número?"),
        "en": ("Hi, what does the family plan cost?", "Can I keep my number?"),
        "vi": ("Gói cước này bao nhiêu tiền ạ?",),
    },
}
ANSWER = {
    "vi": ("Dạ mình cảm ơn shop", "Mình thích mẫu đầu tiên", "Size 12 còn không shop?", "Để mình hỏi chồng đã nhé"),
    "es": ("Gracias, me interesa", "¿Tienen cobertura en mi zona?", "Lo voy a pensar", "Perfecto, ¿qué necesito?"),
    "en": ("Thanks, sounds good", "Do you have it in silver?", "Let me think about it", "What do I need to do?"),
}
COMING_BACK = {
    "vi": ("À mình quên mất, mẫu đó còn không shop?", "Vâng mình vẫn quan tâm ạ", "Cho mình xem thêm hình nhé"),
    "es": ("¡Sí, todavía me interesa!", "Perdón, estaba ocupado. ¿Sigue la oferta?", "Mándame los detalles"),
    "en": ("Oh sorry, I forgot! Still available?", "Yes, still interested", "Can you send me the details?"),
}
BUYING = {
    "vi": ("Ok shop, mình chốt đơn nhé", "Mình chuyển khoản rồi ạ", "Mình lấy mẫu này nhé ❤️"),
    "es": ("Listo, lo compro", "Ya hice el pago", "Va, contrato el plan"),
    "en": ("Great, I'll take it", "I've just paid", "Deal, sign me up"),
}
# What each says is a wish to hear nothing more. Some are the bare word, some only contain it.
STOP = {
    "vi": ("HỦY", "Hủy", "TC", "TỪ CHỐI", "không nhận tin", "NGỪNG"),
    "es": ("BAJA", "Baja", "PARAR", "no más", "DETENER", "Salir"),
    "en": ("stop please", "STOP", "Unsubscribe", "stop", "opt out"),
}
HUMAN = {
    "vi": ("Cho mình gặp nhân viên tư vấn với ạ", "Có người thật không shop?"),
    "es": ("Quiero hablar con una persona", "¿Me puede atender un asesor?"),
    "en": ("Can I talk to a real person?", "I'd like to speak to an agent"),
}

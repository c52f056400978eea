"""What a person without the permission to see personal data sees instead. Pure."""

BLOT = "•••"


def mask_address(value: str) -> str:
    """Country code and the last three digits of a phone number; the last three signs of anything else."""
    if value.startswith("+"):
        return f"{value[:3]} {BLOT} {value[-3:]}"
    return f"{BLOT}{value[-3:]}" if value else ""


def mask_name(name: str) -> str:
    """The first letter, so that two people in one list can be told apart."""
    return f"{name[:1]}{BLOT}" if name else ""


def mask_text(text: str) -> str:
    """Nothing of what was written: a text may hold a name or a number."""
    return BLOT if text else ""

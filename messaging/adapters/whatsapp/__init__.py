"""WhatsApp Cloud API. Platform facts in these modules come from Meta's documentation as of November 2026."""

"""Send, wait or refuse. Pure: no Django, no clock, no database."""

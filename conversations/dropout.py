"""Whether a contact fell silent. Pure: no Django, no clock, no database."""

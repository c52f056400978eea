"""How bytes leave and arrive. Knows providers and their words; knows no campaign and no conversation."""

"""What did it bring? Reads every other room and owns no table."""

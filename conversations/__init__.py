"""What happened: the webhook door, the one message table, conversations, drop-outs and outcomes."""

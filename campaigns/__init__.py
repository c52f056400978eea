"""What a marketer sets up, and through which door somebody came."""

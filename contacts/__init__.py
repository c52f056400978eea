"""Who is this person, and may we write to them?"""

"""The one door out: may this message go now, and what became of it?"""

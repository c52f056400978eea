from hypothesis import settings

# The same examples on every run, and no clock: a busy machine must not fail a test.
settings.register_profile("rekindle", deadline=None, derandomize=True)
settings.load_profile("rekindle")

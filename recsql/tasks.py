"""The tasks that can be trained."""

TASKS = ("bundle", "related", "popular", "trending")

"""The checks of ``validate``: one file a subject, each check a function that gives findings."""

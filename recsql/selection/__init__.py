"""Training, measuring, choosing and refreshing."""

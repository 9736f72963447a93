"""The catalogue of models: one file a model."""

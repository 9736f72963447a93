"""How good a list of recommendations is: one file a metric."""

"""Which purchases train and which ones test."""

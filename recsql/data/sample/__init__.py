"""The bundled sample: one year of order lines of an online retailer."""

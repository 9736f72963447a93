"""Which open connection a SQL function works through."""

"""SQL texts: state tables, functions, statements, reports and reference definitions."""

"""What a salesperson is told about a recommendation: scores and reference customers."""

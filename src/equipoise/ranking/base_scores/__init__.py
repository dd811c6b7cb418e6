"""Base scores of our own, where a team brings none: a probability for each objective."""

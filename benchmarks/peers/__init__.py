"""One small module per peer; each is imported only in its own process."""

"""One run while it trains: its fits, its processes, its resumption. Never imports a study."""

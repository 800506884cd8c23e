"""Real-time scheduling, as far as the system grants it."""

"""What the person at the computer sees."""

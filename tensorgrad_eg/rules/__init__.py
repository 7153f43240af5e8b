"""Rule files: read, checked if they are a user's, and listed as rules."""

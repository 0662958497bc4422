"""What the server does on request: one function per request type, grouped by theme."""

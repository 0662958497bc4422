"""What a user sees: for now one view, made of lines."""

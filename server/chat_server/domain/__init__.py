"""People, rooms and limits as plain objects: no socket, thread, lock, database or clock."""

"""The one sequencer: numbers what must not be lost, keeps it, and only then hands it on."""

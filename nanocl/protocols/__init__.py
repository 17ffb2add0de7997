"""From a protocol file and what the caller asks for to a list of run specs."""

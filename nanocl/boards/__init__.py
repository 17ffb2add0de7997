"""Boards as versioned things: released, verified, compared, cited and exchanged."""

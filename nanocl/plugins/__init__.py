"""Finds plugins and reads their options without importing them."""

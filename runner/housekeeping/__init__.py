"""Keeps a store tidy: lists, renames, removes, cleans and merges; records are never edited."""

//! Text to parsed manifest: every value keeps its place.

"""The command line: one file a verb; each reads files, calls one public function and prints."""

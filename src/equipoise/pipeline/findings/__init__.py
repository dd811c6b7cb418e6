"""What a study and its policy show, one file a part of the findings."""

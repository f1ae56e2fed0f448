"""The measurements of a survey, one module each."""

"""What a study shows and leaves: display, summary, `trials.csv`, `best.yaml`, HParams records."""

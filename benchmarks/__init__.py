"""What Wakeline claims about speed and saving, as commands anyone can run."""

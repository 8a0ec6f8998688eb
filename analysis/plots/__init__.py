"""Pictures of checkpoint campaigns: campaign.py reads, look.py is the appearance, measured.py and predicted.py draw."""

"""Every event that Wakeline's services exchange, and the documents they carry."""

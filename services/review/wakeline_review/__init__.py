"""The review service: an expert's verdict on what people labeled."""

"""From a request to a permit: catalogue, submission, approvals."""

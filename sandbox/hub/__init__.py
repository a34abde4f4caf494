"""The platform: API, catalogue, approvals, coordinator and log. It holds no raw data and cannot make a node run."""

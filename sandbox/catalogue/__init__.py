"""The owner's side of the catalogue (数据目录): draft a dataset file from data, and check data against it.

describe.describe(source, "flights")          a draft Dataset with candidate roles, domains, bounds and unit
check.check_data(dataset, source)             every violation, or the facts that registration needs
register.register(...)                        check, manifest, salted commitment, signed record, node state
"""

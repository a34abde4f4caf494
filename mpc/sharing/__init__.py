"""Secret sharing: additive n-of-n over a ring, Shamir t-of-n over a prime field, multiplication by Beaver triples."""

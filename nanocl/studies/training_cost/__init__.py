"""The study of cost: bytes of optimizer state and seconds of a step against the paper's claims."""

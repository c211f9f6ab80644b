//! The alert loop: feeds the engine, stores what it returns, and carries it out.

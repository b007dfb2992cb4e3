"""What benches and end-to-end tests share: processes, SIPp, the exchange and its peers. Python's standard library only."""

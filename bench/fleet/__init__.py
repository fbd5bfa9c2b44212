"""The full inventory of a simulated fleet: time, CPU, memory and requests, beside two peers.

Four kinds of processes, so that each one's CPU and memory are its own: the simulated hall, the
house (`iolaus.app.house`, as it serves, with a state directory that is thrown away), the peers
(`sushy` and `redfish`, one process a measurement), and the one that starts them and prints.
Requests are counted by the devices and not by who sends them. Peers read a sample of the same
devices in the same run, when the house has ended, with both cores to themselves and the hall.

The machine must be otherwise idle for the wall times to mean anything; CPU seconds and the ratios
mean something on a busy one too.
"""

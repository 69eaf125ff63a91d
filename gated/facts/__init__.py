"""What is known of a gate from outside its processes, and what is to be done about it.

Gathered from what the gate writes; shown by the commands, judged by the doctor. Nothing here opens
a device.
"""

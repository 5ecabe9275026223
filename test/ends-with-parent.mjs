// Loaded into the servers that a test starts: when the test is gone, in whatever way, its end of stdin closes.
process.stdin.resume().once('close', () => process.exit(3))
process.stdin.unref?.()

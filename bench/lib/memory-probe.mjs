// Loaded into a server under a benchmark: every five seconds it collects the garbage, and adds what JavaScript still holds to
// the file that MEMORY_FILE names, as `<milliseconds since 1970> <bytes>`. Garbage alone goes up and down by tens of MB, and
// so does memory that V8 keeps for the next objects.
import { appendFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const everyMs = 5_000
const file = process.env.MEMORY_FILE
// Processes that the server starts do without.
delete process.env.MEMORY_FILE
delete process.env.NODE_OPTIONS

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')
setInterval(() => {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  appendFileSync(file, `${Date.now()} ${heapUsed + external}\n`)
}, everyMs).unref()

// For a server under test: when it ends, it says which packages it loaded from outside the program, and how often it
// entered an AsyncLocalStorage.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'

const { run } = AsyncLocalStorage.prototype
let entered = 0
AsyncLocalStorage.prototype.run = function (...args) {
  entered++
  return run.apply(this, args)
}
const { cache } = createRequire(import.meta.url)
process.on('exit', () => {
  const packages = Object.keys(cache).flatMap((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])
  process.stderr.write(`${JSON.stringify({ outside: [...new Set(packages)], entered })}\n`)
})

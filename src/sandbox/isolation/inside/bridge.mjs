// Runs inside a sandbox without network: node bridge.mjs [--socket PATH] [--port N] -- COMMAND [ARGUMENT...]
// Listens on 127.0.0.1 and forwards each connection unchanged to the gateway's unix socket. Runs the command as if it
// had been started directly: same input and outputs, signals forwarded, same exit code or signal. It knows no key and
// decides nothing. Plain JavaScript without dependencies, since its folder holds nothing else.
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { constants } from 'node:os'

const usual = { address: '127.0.0.1', port: 3128, socket: '/run/jetty/gateway.sock' }
const usualUrl = `http://${usual.address}:${usual.port}`

/** Exit codes as shells use them. */
const cannotStart = 126
const notFound = 127

const fail = (message, code) => {
  process.stderr.write(`bridge: ${message}\n`)
  process.exit(code)
}

const separator = process.argv.indexOf('--', 2)
const given = separator === -1 ? [] : process.argv.slice(2, separator)
const option = (name) => (given.includes(name) ? given[given.indexOf(name) + 1] : undefined)
const [command, ...args] = separator === -1 ? process.argv.slice(2) : process.argv.slice(separator + 1)
const socketPath = option('--socket') ?? usual.socket
if (!command) fail('no command was given', cannotStart)

const server = createServer({ allowHalfOpen: true, noDelay: true }, (inner) => {
  const outer = connect({ path: socketPath, allowHalfOpen: true })
  for (const [one, other] of [
    [inner, outer],
    [outer, inner],
  ]) {
    // `end: false`: ending our own outputs would make them non-blocking, also for the command that shares them, and
    // programs that do not expect this lose output or die.
    one.pipe(other, { end: false })
    one.on('end', () => other.end())
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
})

const endAs = (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // The first process of a PID namespace ignores fatal signals that it sends to itself.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 50)
}

const run = () => {
  const url = `http://${usual.address}:${server.address().port}`
  /** Replaces the usual gateway URL: where sandboxes share a network, each bridge has a port of its own. */
  const placed = (text) => (url === usualUrl ? text : text.replaceAll(usualUrl, url))
  const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, placed(value)]))
  const child = spawn(command, args.map(placed), { stdio: 'inherit', env })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    fail(`${command} cannot be started: ${error.message}`, error.code === 'ENOENT' ? notFound : cannotStart)
  })
  child.on('exit', endAs)
}

server.on('error', (error) => fail(`cannot listen: ${error.message}`, cannotStart))
server.listen(Number(option('--port') ?? usual.port), usual.address, run)

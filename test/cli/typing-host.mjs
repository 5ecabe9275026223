// Runs the commands that tests type, one after the other, in one process: most of the time of a command is its start.
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { globalAgent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const { runProgram } = await import(process.argv[2])

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Collects what is written to a stream until it is told to stop. */
const collect = (stream) => {
  const chunks = []
  const write = stream.write
  stream.write = (chunk, encoding, callback = encoding) => {
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
    if (typeof callback === 'function') queueMicrotask(callback)
    return true
  }
  return () => {
    stream.write = write
    return Buffer.concat(chunks).toString()
  }
}

const connections = Symbol.for('undici.globalDispatcher.1')

/** Ends the connections of requests: a server that stopped since may have left one that the next command would use. */
const disconnect = async () => {
  globalAgent.destroy()
  const used = globalThis[connections]
  if (!used) return
  globalThis[connections] = new used.constructor()
  await used.destroy()
}

/** Puts a file in the place of standard input, which commands read as a file: an open one has the lowest free number. */
const readFrom = (path) => {
  closeSync(0)
  openSync(path)
}

const input = join(tmpdir(), `jetty-input-${process.pid}`)

process.on('message', async ({ args, env, cwd, stdin = '' }) => {
  if (stdin !== '') writeFileSync(input, stdin, { mode: 0o600 })
  if (stdin !== '') readFrom(input)
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  process.exitCode = undefined
  const [stdout, stderr] = [collect(process.stdout), collect(process.stderr)]
  const code = await runProgram(['node', 'jetty', ...args])
  for (const signal of signals) process.removeAllListeners(signal) // each command listens anew
  await disconnect()
  if (stdin !== '') readFrom('/dev/null')
  rmSync(input, { force: true })
  process.send({ code, stdout: stdout(), stderr: stderr() })
})
process.once('disconnect', () => process.exit())
process.send('ready')

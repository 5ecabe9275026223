import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Body } from '../server.ts'

const script = fileURLToPath(new URL('./openai_client.py', import.meta.url))
const candidates = ['python3', '/usr/bin/python3']

const hasLibrary = (python: string): boolean =>
  spawnSync(python, ['-c', 'from importlib.util import find_spec; exit(find_spec("openai") is None)']).status === 0

const apt = (...args: string[]): boolean =>
  spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0

const attempts = 3

/** A Python with the library of OpenAI: one that is there, else Debian's, which is installed where that is allowed. */
const findPython = (): string => {
  for (let attempt = 0; attempt <= attempts; attempt++) {
    const present = candidates.find(hasLibrary)
    if (present) return present
    // Another file may be at it as well, and whoever comes second to the lists of packages is turned away.
    if (attempt < attempts && !apt('install', '-y', '--no-install-recommends', 'python3-openai')) apt('update')
  }
  throw new Error('These tests drive the OpenAI library for Python: apt-get install python3-openai')
}

/** A Python in which calls of the library are made, one after the other. */
export interface PythonClient {
  /** What a call comes to: `{result}`, or `{error, status, code, text}` with the class that it raised. */
  call(base: string, key: string, name: string): Promise<Body>
  close(): void
}

export const openPythonClient = (): PythonClient => {
  const child = spawn(findPython(), [script], {
    env: { PATH: process.env.PATH },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  child.stdin.on('error', () => {}) // it has ended, and its answers end too
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async call(base, key, name) {
      child.stdin.write(`${JSON.stringify({ base, key, name })}\n`)
      const { value, done } = await answers.next()
      if (done) throw new Error(`The Python with the OpenAI library has ended: ${said}`)
      return JSON.parse(value)
    },
    close: () => void child.kill(),
  }
}

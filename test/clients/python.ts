import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Body } from '../server.ts'

const script = fileURLToPath(new URL('./openai_client.py', import.meta.url))
const candidates = ['python3', '/usr/bin/python3']

const hasLibrary = (python: string): boolean => spawnSync(python, ['-c', 'import openai']).status === 0

const apt = (...args: string[]): boolean =>
  spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0

const attempts = 3

/** A Python with the library of OpenAI: one that is there, else Debian's, which is installed where that is allowed. */
export const findPython = (): string => {
  for (let attempt = 0; attempt <= attempts; attempt++) {
    const present = candidates.find(hasLibrary)
    if (present) return present
    // Another file may be at it as well, and whoever comes second to the lists of packages is turned away.
    if (attempt < attempts && !apt('install', '-y', '--no-install-recommends', 'python3-openai')) apt('update')
  }
  throw new Error('These tests drive the OpenAI library for Python: apt-get install python3-openai')
}

/** What a call of the library comes to: `{result}`, or `{error, status, code, text}` with the class that it raised. */
export const callFromPython = async (python: string, base: string, key: string, name: string): Promise<Body> => {
  const env = { PATH: process.env.PATH, JETTY_KEY: key }
  const { stdout } = await promisify(execFile)(python, [script, base, name], { env, timeout: 60_000 })
  return JSON.parse(stdout)
}

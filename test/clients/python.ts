import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Body } from '../server.ts'

const script = fileURLToPath(new URL('./openai_client.py', import.meta.url))
const candidates = ['python3', '/usr/bin/python3']

const hasLibrary = (python: string): boolean => spawnSync(python, ['-c', 'import openai']).status === 0

const installed = (...args: string[]): boolean =>
  spawnSync('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status === 0

/** A Python with the library of OpenAI: one that is there, else Debian's, which is installed where that is allowed. */
export const findPython = (): string => {
  const present = candidates.find(hasLibrary)
  if (present) return present
  const wanted = ['install', '-y', '--no-install-recommends', 'python3-openai']
  if (!installed(...wanted) && installed('update')) installed(...wanted)
  const found = candidates.find(hasLibrary)
  if (!found) throw new Error('These tests drive the OpenAI library for Python: apt-get install python3-openai')
  return found
}

/** What a call of the library comes to: `{result}`, or `{error, status, code, text}` with the class that it raised. */
export const callFromPython = async (python: string, base: string, key: string, name: string): Promise<Body> => {
  const env = { PATH: process.env.PATH, JETTY_KEY: key }
  const { stdout } = await promisify(execFile)(python, [script, base, name], { env, timeout: 60_000 })
  return JSON.parse(stdout)
}

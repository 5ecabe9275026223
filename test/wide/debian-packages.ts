import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

const installed = async (names: readonly string[]): Promise<string[]> => {
  // It exits with 1 if it does not know one of the names, and still lists the others.
  const { stdout } = await run('dpkg-query', ['--list', ...names]).catch((error: { stdout: string }) => error)
  return [...stdout.matchAll(/^ii +([^ :]+)/gm)].map(([, name = '']) => name)
}

/** Installs packages of Debian where they are missing, which needs root. Elsewhere it names them. */
export const needPackages = async (...names: string[]): Promise<void> => {
  const there = await installed(names)
  const missing = names.filter((name) => !there.includes(name))
  if (missing.length === 0) return
  if (process.getuid?.() !== 0) throw new Error(`Packages are missing: sudo apt install ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = { env, maxBuffer: 64 * 1024 ** 2 }
  await run('apt-get', ['update', '-qq'], options)
  await run('apt-get', ['install', '-qq', '--yes', '--no-install-recommends', ...missing], options)
}

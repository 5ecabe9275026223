import { execFileSync } from 'node:child_process'
import { cpSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { madeOnce } from './made-once.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const ofCrashes = ['server', 'sweeper', 'migrated', 'object-writer', 'object-sweeper']
const ofSandboxes = ['holder', 'ordinary-user', 'scarce']
const programs = [
  'src/bin',
  ...ofCrashes.map((name) => `test/crash/harness/${name}`),
  ...ofSandboxes.map((name) => `test/sandboxes/${name}`),
]

/**
 * A program of ours (`src/bin`) as JavaScript in few files, with the packages that it loads. All of them are put together
 * once a test run: they start in a third of the time that it takes from TypeScript, and every restart has the same
 * program, whatever happens to the sources meanwhile.
 */
export const compiledProgram = (entry: string): string => {
  if (!programs.includes(entry)) throw new Error(`${entry} is not among the programs of test/compiled.ts`)
  const built = madeOnce(join(tmpdir(), 'compiled'), 0o755, compile)
  return join(built, 'src/program', `${basename(entry)}.js`)
}

/** Compiled modules as they are now: nothing changes the copy any more. Programs that they start stand beside them. */
const compile = (draft: string): void => {
  const src = join(draft, 'src')
  cpSync(join(root, 'dist.tests'), src, { recursive: true, filter: (path) => !path.endsWith('.map') })
  cpSync(join(root, 'package.json'), join(draft, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(draft, 'node_modules'))
  const entries = programs.map((name) => (name === 'src/bin' ? join(src, 'bin.js') : join(root, `${name}.ts`)))
  const script = `
    const { bundle } = await import('./scripts/bundle.mjs')
    const { compiledSource } = await import('./scripts/compiled-source.mjs')
    const [src, ...entries] = process.argv.slice(1)
    await bundle(entries, src + '/program', src, [compiledSource(src)])`
  const node = ['--input-type=module', '-e', script, src, ...entries]
  execFileSync(process.execPath, node, { cwd: root, stdio: 'inherit' })
}

import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const ofCrashes = ['server', 'sweeper', 'migrated', 'object-writer', 'object-sweeper']
const programs = ['src/bin', ...ofCrashes.map((name) => `test/crash/harness/${name}`)]

/**
 * A program of ours (`src/bin`) as JavaScript in few files, with the packages that it loads. All of them are put together
 * once a test run: they start in a fraction of the time that it takes from TypeScript, and every restart has the same
 * program, whatever happens to the sources meanwhile.
 */
export const compiledProgram = (entry: string): string => {
  if (!programs.includes(entry)) throw new Error(`${entry} is not among the programs of test/compiled.ts`)
  const built = join(tmpdir(), 'compiled')
  if (!existsSync(built)) {
    const draft = mkdtempSync(`${built}-`)
    chmodSync(draft, 0o755)
    compile(draft)
    try {
      renameSync(draft, built)
    } catch {
      rmSync(draft, { recursive: true }) // another test file was faster
    }
  }
  return join(built, 'src/program', `${basename(entry)}.js`)
}

const compile = (draft: string): void => {
  const entries = programs.map((entry) => join(root, `${entry}.ts`))
  const given = [entries, join(draft, 'src/program'), join(root, 'src')].map((value) => JSON.stringify(value))
  const script = `import('./scripts/bundle.mjs').then(({ bundle }) => bundle(${given.join()}))`
  execFileSync(process.execPath, ['-e', script], { cwd: root, stdio: 'inherit' })
  cpSync(join(root, 'src'), join(draft, 'src'), { recursive: true }) // child processes start from their sources
  cpSync(join(root, 'package.json'), join(draft, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(draft, 'node_modules'))
}

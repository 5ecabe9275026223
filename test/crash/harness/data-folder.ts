import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiledProgram } from '../../compiled.ts'

const kept = ['db', 'database-password']

/** A data folder with a migrated database that no server has used yet: made once a test run, then copied. */
const migratedFolder = (): string => {
  const made = join(tmpdir(), 'crash-migrated')
  if (existsSync(made)) return made
  const draft = mkdtempSync(`${made}-`)
  chmodSync(draft, 0o711) // the embedded Postgres may be another user
  execFileSync(process.execPath, [compiledProgram('test/crash/harness/migrated'), draft], { stdio: 'inherit' })
  try {
    renameSync(draft, made)
  } catch {
    rmSync(draft, { recursive: true }) // another test file was faster
  }
  return made
}

/** Fills the data folder of an installation that has had its first start; a start in an empty one takes three seconds. */
export const fillDataFolder = (dataDir: string): void => {
  const made = migratedFolder()
  mkdirSync(dataDir, { mode: 0o700 })
  execFileSync('cp', ['-a', ...kept.map((name) => join(made, name)), dataDir])
  execFileSync('sync', ['-f', dataDir]) // its first start was long ago
}

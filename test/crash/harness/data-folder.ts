import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiledProgram } from '../../compiled.ts'
import { madeOnce } from '../../made-once.ts'

const kept = ['db', 'database-password']

/**
 * A data folder with a migrated database that no server has used yet: made once a test run, then copied. The embedded
 * Postgres in it may be another user.
 */
const migratedFolder = (): string =>
  madeOnce(join(tmpdir(), 'crash-migrated'), 0o711, (draft) => {
    execFileSync(process.execPath, [compiledProgram('test/crash/harness/migrated'), draft], { stdio: 'inherit' })
  })

/** Fills the data folder of an installation that has had its first start; a start in an empty one takes three seconds. */
export const fillDataFolder = (dataDir: string): void => {
  const made = migratedFolder()
  mkdirSync(dataDir, { mode: 0o700 })
  execFileSync('cp', ['-a', ...kept.map((name) => join(made, name)), dataDir])
  execFileSync('sync', ['-f', dataDir]) // its first start was long ago
}

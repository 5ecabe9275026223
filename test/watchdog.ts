// Waits until the test run that started it is over, then stops every Postgres below its folder and removes that.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../src/lib/time.ts'
import { findPostgres } from '../src/store/database/postgres-process.ts'

const [, , folder = ''] = process.argv
const deepest = 4
const attempts = 50

const dataFoldersIn = (path: string, depth = 0): string[] => {
  if (existsSync(join(path, 'db/postmaster.pid'))) return [path]
  if (depth === deepest) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? dataFoldersIn(join(path, entry.name), depth + 1) : [],
  )
}

const clear = () => {
  for (const dataDir of dataFoldersIn(folder)) {
    const postgres = findPostgres(dataDir)
    if (postgres) process.kill(postgres.pid, 'SIGQUIT')
  }
  rmSync(folder, { recursive: true, force: true })
}

process.stdin.resume().once('close', async () => {
  for (let attempt = 0; attempt < attempts && existsSync(folder); attempt++) {
    try {
      clear()
    } catch {
      // a worker that has not noticed yet is still writing
    }
    await pause(100)
  }
})

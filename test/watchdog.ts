// Waits until the test run that started it is over, then stops every Postgres below its folders and removes these.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findPostgres } from '../src/database/postgres-process.ts'
import { pause } from '../src/lib/time.ts'

const folders = process.argv.slice(2)
const deepest = 4
const attempts = 50

const dataFoldersIn = (path: string, depth = 0): string[] => {
  if (existsSync(join(path, 'db/postmaster.pid'))) return [path]
  if (depth === deepest) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? dataFoldersIn(join(path, entry.name), depth + 1) : [],
  )
}

const clear = (folder: string): void => {
  for (const dataDir of dataFoldersIn(folder)) {
    const postgres = findPostgres(dataDir)
    if (postgres) process.kill(postgres.pid, 'SIGQUIT')
  }
  rmSync(folder, { recursive: true, force: true })
}

process.stdin.resume().once('close', async () => {
  const left = folders.filter((folder) => existsSync(folder)) // a run that ends by itself has cleared up
  for (let attempt = 0; attempt < attempts && left.length > 0; attempt++) {
    try {
      for (const folder of left) if (existsSync(folder)) clear(folder)
    } catch {
      // a worker that has not noticed yet is still writing
    }
    await pause(100)
  }
})

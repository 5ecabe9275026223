import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ImportLog, openImportLog } from './import-state.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-import-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open = (name: string): ImportLog => openImportLog(join(folder, name), 'http://old.test', 'http://new.test')

const copyPage = (log: ImportLog, page: number): void => {
  log.noteFile(`acme/file-${page}`, `acme/copy-${page}`)
  log.noteTask('acme/report', { next: `page ${page}` })
  log.count('files')
  log.save()
}

it('continues after the last page that a killed import has saved, whatever it was writing then', () => {
  const killed = open('killed.json')
  killed.state.variables_to_set.acme = ['KEY']
  copyPage(killed, 1)
  copyPage(killed, 2)
  appendFileSync(join(folder, 'killed.json.progress'), '{"files": {"acme/file-3": "acme/co')
  const { state } = open('killed.json')
  expect(state).toMatchObject({
    files: { 'acme/file-1': 'acme/copy-1', 'acme/file-2': 'acme/copy-2' },
    tasks: { 'acme/report': { next: 'page 2' } },
    counts: { files: 2 },
    variables_to_set: { acme: ['KEY'] },
    finished: null,
  })
  expect(existsSync(join(folder, 'killed.json.progress'))).toBe(false)
})

it('takes nothing from a killed import whose report was moved away', () => {
  const path = join(folder, 'moved.json')
  vi.setSystemTime('2026-01-01')
  copyPage(openImportLog(path, 'http://older.test', 'http://new.test'), 1)
  vi.useRealTimers()
  renameSync(path, join(folder, 'older.json'))
  const { files, tasks, counts } = open('moved.json').state
  expect({ files, tasks, counts }).toEqual({ files: {}, tasks: {}, counts: {} })
})

it('writes as much for the last page as for the first, and the whole report at the end', () => {
  const log = open('long.json')
  const grown: number[] = []
  for (let page = 100; page < 900; page++) {
    copyPage(log, page)
    grown.push(statSync(join(folder, 'long.json.progress')).size)
  }
  expect(grown.at(-1) ?? 0).toBeLessThan((grown[0] ?? 0) * 800 * 1.1)
  log.close()
  expect(Object.keys(JSON.parse(readFileSync(join(folder, 'long.json'), 'utf8')).files)).toHaveLength(800)
  expect(existsSync(join(folder, 'long.json.progress'))).toBe(false)
})

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { thisProcess } from '../../isolation/owner.ts'
import { draftFor, removeFromPlace, removeLeftDrafts } from './package-store.ts'

const log = { info() {} }
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drafts-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

it('is moved to its place when it is complete, once, and without what named its owner', async () => {
  const [first, second] = [draftFor(join(folder, 'set')), draftFor(join(folder, 'set'))]
  for (const [draft, text] of [
    [first, 'first'],
    [second, 'second'],
  ] as const) {
    draft.begin()
    writeFileSync(join(draft.path, 'file'), text)
    await draft.moveToPlace()
    await draft.end()
  }
  expect(readdirSync(folder)).toEqual(['set'])
  expect(readdirSync(join(folder, 'set'))).toEqual(['file'])
  expect(readFileSync(join(folder, 'set/file'), 'utf8')).toBe('first')
  await removeFromPlace(join(folder, 'set'))
  expect(readdirSync(folder)).toEqual([])
})

it('of a process that is gone is removed, and what one removes half way; what is made or complete stays', async () => {
  const make = (name: string, owner?: object) => {
    mkdirSync(join(folder, name))
    if (owner) writeFileSync(join(folder, name, 'owner.json'), JSON.stringify(owner))
  }
  make('set')
  make('set.gone-1')
  make('set.draft-1-dead', { ...thisProcess(), startedAt: 'earlier' })
  make('set.draft-1-nameless')
  make('set.draft-1-old')
  utimesSync(join(folder, 'set.draft-1-old'), new Date('2026-01-01'), new Date('2026-01-01'))
  const living = draftFor(join(folder, 'set'))
  living.begin()
  await removeLeftDrafts(folder, log)
  const left = ['set', living.path.slice(folder.length + 1), 'set.draft-1-nameless']
  expect(readdirSync(folder).sort()).toEqual(left.sort())
  await living.end()
  await removeLeftDrafts(join(folder, 'missing'), log)
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { checkStoragePath, runUploadPath, sandboxUploadPath, stepFilePath } from './storage-path.ts'

const place = { collection: 'acme', task: 'brief', trajectoryId: '1f2e3d4c' }
const stepFile = (name: string) => stepFilePath({ ...place, step: 'run', index: 0, name })

const anyText = fc.oneof(
  fc.string({ unit: anyCharacter }),
  fc.string({ unit: 'grapheme' }),
  fc
    .array(fc.constantFrom('/', '\\', '..', '.', 'a', '\0', '\n', 'é', '\ud83d', 'json', ' '), { maxLength: 30 })
    .map((parts) => parts.join('')),
)

describe('checkStoragePath', () => {
  it.each(['acme/brief/0000/1f2e3d4c.00.pdf', 'acme/_sandbox_uploads/u1/Zürich 東京.txt', 'a/.b/c..d'])(
    'takes %j',
    (path) => expect(checkStoragePath(path)).toBe(path),
  )
  it.each([
    '',
    '/acme/x',
    'acme//x',
    'acme/',
    'acme/../other/x',
    'acme/./x',
    'acme/a\0b',
    'acme/\ud83d',
    `a/${'x'.repeat(1023)}`,
  ])('refuses %j', (path) => expect(() => checkStoragePath(path)).toThrow('Not a storage path'))
})

describe('runUploadPath', () => {
  it.each([
    ['cat.pdf', 0, 'acme/brief/0000/1f2e3d4c.00.pdf'],
    ['a.b.JSON', 7, 'acme/brief/0000/1f2e3d4c.07.JSON'],
    ['Makefile', 12, 'acme/brief/0000/1f2e3d4c.12.bin'],
    ['', 100, 'acme/brief/0000/1f2e3d4c.100.bin'],
  ])('%j at %j', (name, index, path) => expect(runUploadPath({ ...place, index, name })).toBe(path))
})

it('puts uploads ahead of a run under their id', () => {
  expect(sandboxUploadPath({ collection: 'acme', uploadId: 'u1', name: '../x.csv' })).toBe(
    'acme/_sandbox_uploads/u1/x.csv',
  )
})

describe('stepFilePath', () => {
  it.each([
    ['/app/results/output.md', 'app--results--output.md'],
    ['grade.json', 'grade.json'],
    ['/app/v1.2/x.md', 'app--v1-2--x.md'],
    ['/app/results/a.b.json', 'app--results--a.b.json'],
    ['../../x/./y.txt', 'x--y.txt'],
    ['/app/', 'app--upload.bin'],
  ])('flattens %j to %j', (name, flat) => expect(stepFile(name)).toBe(`acme/brief/0000/1f2e3d4c.run.0000.${flat}`))

  it('always fits, is a storage path, and ends with the base name', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.nat(20_000), (folder, base, index) => {
        const path = stepFilePath({ ...place, step: 'run', index, name: `${folder}/${base}` })
        expect(checkStoragePath(path)).toBe(path)
        expect(path.endsWith(sanitizeFileName(base))).toBe(true)
        expect(path.startsWith(`acme/brief/0000/1f2e3d4c.run.${String(index).padStart(4, '0')}.`)).toBe(true)
        expect(path.split('/')).toHaveLength(4)
      }),
    )
    expect(Buffer.byteLength(stepFile(`/${'ordner/'.repeat(500)}${'x'.repeat(250)}.json`))).toBeLessThanOrEqual(1024)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import { distinctFileNames, sanitizeFileName } from './file-names.ts'

const anyText = fc.oneof(
  fc.string({ unit: anyCharacter }),
  fc.string({ unit: 'grapheme' }),
  fc
    .array(fc.constantFrom('/', '\\', '..', '.', 'a', '\0', '\n', 'é', '\ud83d', 'json', ' '), { maxLength: 30 })
    .map((parts) => parts.join('')),
)

describe('sanitizeFileName', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\me\\cv.docx', 'cv.docx'],
    ['a\0b\n.txt', 'ab.txt'],
    ['invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['', 'upload.bin'],
    ['..', 'upload.bin'],
    ['dir/', 'upload.bin'],
    ['  ', 'upload.bin'],
    ['.env', '.env'],
    ['Zürich 東京.txt', 'Zürich 東京.txt'],
  ])('%j becomes %j', (name, safe) => expect(sanitizeFileName(name)).toBe(safe))

  it('always gives one segment that is safe, and the same again for its own result', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const safe = sanitizeFileName(name)
        expect(safe).not.toMatch(/[/\\\p{Cc}\p{Cs}]/u)
        expect(['', '.', '..']).not.toContain(safe)
        expect(sanitizeFileName(safe)).toBe(safe)
      }),
    )
  })

  it('shortens a long name and keeps its extension', () => {
    const safe = sanitizeFileName(`${'é'.repeat(400)}.json`)
    expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(255)
    expect(safe).toMatch(/é\.json$/)
    expect(Buffer.byteLength(sanitizeFileName(`a.${'x'.repeat(400)}`))).toBeLessThanOrEqual(255)
  })
})

it('tells clashing names of one upload apart', () => {
  expect(distinctFileNames(['a.txt', 'x/a.txt', 'a.txt', 'a-1.txt', '', ''])).toEqual([
    'a.txt',
    'a-1.txt',
    'a-2.txt',
    'a-1-1.txt',
    'upload.bin',
    'upload-1.bin',
  ])
  fc.assert(
    fc.property(fc.array(anyText, { maxLength: 10 }), (names) => {
      expect(new Set(distinctFileNames(names)).size).toBe(names.length)
    }),
  )
})

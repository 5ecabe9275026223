import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFileText } from './text-encoding.ts'

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()

describe('text', () => {
  it.each([
    ['plain UTF-8', bytes('Grüße, 東京 🚀'), undefined, 'Grüße, 東京 🚀', 'utf-8'],
    ['nothing', bytes(''), undefined, '', 'utf-8'],
    ['UTF-8 with mark', bytes([0xef, 0xbb, 0xbf], 'é'), undefined, 'é', 'utf-8'],
    ['UTF-16 LE with mark', bytes([0xff, 0xfe], [...Buffer.from('é🚀', 'utf16le')]), undefined, 'é🚀', 'utf-16le'],
    ['UTF-16 BE with mark', bytes([0xfe, 0xff], [...utf16be('é🚀')]), undefined, 'é🚀', 'utf-16be'],
    ['the mark wins over the charset', bytes([0xef, 0xbb, 0xbf], 'é'), 'text/plain; charset=latin1', 'é', 'utf-8'],
    ['declared Latin-1', bytes([0x63, 0x61, 0x66, 0xe9]), 'text/plain; charset="ISO-8859-1"', 'café', 'iso-8859-1'],
    ['declared UTF-16 without mark', Buffer.from('hé', 'utf16le'), 'text/plain;charset=utf-16le', 'hé', 'utf-16le'],
    ['declared Shift_JIS', bytes([0x93, 0x8c, 0x8b, 0x9e]), 'text/plain; charset=shift_jis', '東京', 'shift_jis'],
    ['an unknown charset, but UTF-8', bytes('é'), 'text/plain; charset=klingon', 'é', 'utf-8'],
    ['a text that begins like an image', bytes('BMW builds cars. GIF89a is a format.'), undefined, undefined, 'utf-8'],
    ['a text that begins like a program', bytes('MZ is a prefix'), 'text/plain', 'MZ is a prefix', 'utf-8'],
    ['a TeX file', bytes('%!TEX root = main.tex'), undefined, undefined, 'utf-8'],
    ['colours of a terminal', bytes('\u001b[31mred\u001b[0m'), undefined, '\u001b[31mred\u001b[0m', 'utf-8'],
    ['a NUL in what says it is text', bytes('a\0b'), 'text/plain', 'a\0b', 'utf-8'],
    ['XML', bytes('<?xml version="1.0"?><a/>'), 'application/xml', '<?xml version="1.0"?><a/>', 'utf-8'],
    ['a calendar', bytes('BEGIN:VCALENDAR\n'), undefined, 'BEGIN:VCALENDAR\n', 'utf-8'],
  ])('%s', async (_case, content, contentType, text, encoding) => {
    const decoded = await decodeFileText(content, { name: 'x', ...(contentType && { contentType }) })
    expect(decoded).toEqual({ text: text ?? content.toString(), encoding, guessed: false })
  })

  it('reads Latin-1 without a charset only from what says it is text, and says that it guessed', async () => {
    const latin = bytes([0x63, 0x61, 0x66, 0xe9])
    const expected = { text: 'café', encoding: 'windows-1252', guessed: true }
    expect(await decodeFileText(latin, { name: 'menu.csv' })).toEqual(expected)
    expect(await decodeFileText(latin, { name: 'menu', contentType: 'text/plain' })).toEqual(expected)
    await expect(decodeFileText(latin, { name: 'menu' })).rejects.toThrow('an unknown format')
  })

  it('gives back any text it was given as UTF-8', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        const decoded = await decodeFileText(Buffer.from(text), { name: 'x.txt', contentType: 'text/plain' })
        expect(decoded.text).toBe(text.replace(/^\ufeff/, ''))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('other formats are refused by name', () => {
  const zipEntry = (name: string) =>
    bytes('PK', [3, 4, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, name.length, 0, 0, 0], name)
  it.each([
    ['cv.pdf', bytes('%PDF-1.7\nall printable'), 'a PDF document', 'plain text'],
    ['cv.txt', bytes('%PDF-1.7\n', [0, 0xff]), 'a PDF document', 'plain text'],
    ['cv.rtf', bytes('{\\rtf1\\ansi text}'), 'an RTF document', 'plain text'],
    [
      'cat.png',
      bytes([0x89], 'PNG\r\n', [0x1a], '\n', [0, 0, 0, 13], 'IHDR'),
      'an image (image/png)',
      'text of the image',
    ],
    ['cat.jpg', bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF', [0]), 'an image (image/jpeg)', 'text of the image'],
    ['logs.gz', gzipSync('hello'), 'an archive (gz)', 'text files themselves'],
    ['all.zip', zipEntry('a.txt'), 'an archive (zip)', 'text files themselves'],
    [
      'old.doc',
      bytes([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1], [...Buffer.alloc(600)]),
      'an old Office',
      'plain text',
    ],
    ['a.mp3', bytes([0xff, 0xfb, 0x90, 0x64], [...Buffer.alloc(40)]), 'a recording (audio/mpeg)', 'transcript'],
    ['wide.txt', bytes([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0]), 'UTF-32', 'Save it as UTF-8'],
    ['noise', bytes([1, 2, 3, 0, 200, 255, 7, 9]), 'an unknown format', 'Save it as UTF-8'],
    ['nul', bytes('a\0b'), 'an unknown format', 'Save it as UTF-8'],
  ])('%s', async (name, content, what, instead) => {
    const error = await decodeFileText(content, { name }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'parameter_invalid' })
    expect(error.message).toContain(`'${name}' is`)
    expect(error.message).toContain(what)
    expect(error.message).toContain(instead)
  })
})
